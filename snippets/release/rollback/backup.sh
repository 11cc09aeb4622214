set -eu
umask 077 # a dump holds what users entered
pg_dump --format=custom --file=new.dump
dropdb --if-exists --force restored 2> dropdb.log
createdb restored
pg_restore --exit-on-error --dbname=restored new.dump
rows=$(psql --tuples-only --no-align --dbname=restored \
    --command="SELECT count(*) FROM users")
test "$rows" -ge 2 # the least that must be there
mv new.dump nightly.dump # it takes the place of the last one now
echo "$rows users are there again"
