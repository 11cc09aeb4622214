set -eu
revision="SELECT version_num FROM alembic_version"
git switch --quiet --detach v1.2.3
alembic downgrade -1
psql --tuples-only --no-align --command="$revision"
git switch --quiet --detach v1.2.2
alembic current 2>&1 | tail -n 1
