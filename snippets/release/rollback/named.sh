set -eu
git switch --quiet --detach v1.2.2
before=$(alembic heads)
before=${before%% *}
git switch --quiet --detach v1.2.3
pg_dump --format=custom --file=shop.dump
alembic downgrade "$before"
echo "the schema is that of $before"
git switch --quiet --detach v1.2.2
pytest --quiet test_users.py > test.log
echo "v1.2.2 passes"
