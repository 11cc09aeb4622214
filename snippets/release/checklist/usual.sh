set -eu
settled() { "$@" > line.log 2>&1 && echo "green: $*"; }
settled pytest --cov=prices test_users.py # by pytest-cov
settled pip list
settled alembic heads
settled grep --ignore-case rollback NOTES.md
