set -eu
git switch --quiet --detach v1.2.2
alembic downgrade -1 2>&1 | tail -n 1
