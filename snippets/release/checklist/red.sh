set -eu
export RUNS=v1.2.4
git switch --quiet --detach v1.3.0 # it says 1.2.3, and renames a column
echo "money>=2.1" > requirements.in # nobody commits it, and the lock has 2.0
alembic upgrade 0004 # the release has 0005
python settle.py lines.toml || echo "no release"
