set -eu
export RUNS=v1.2.2 # the tag that runs
git switch --quiet --detach v1.2.3
python settle.py lines.toml reversible
alembic upgrade head
python settle.py lines.toml
