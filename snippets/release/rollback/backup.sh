set -eu
pg_dump --format=custom --file=nightly.dump
dropdb --if-exists --force restored 2> dropdb.log
createdb restored
pg_restore --exit-on-error --dbname=restored nightly.dump
rows=$(psql --tuples-only --no-align --dbname=restored \
    --command="SELECT count(*) FROM users")
test "$rows" -ge 2 # the least that must be there
echo "$rows users are there again"
