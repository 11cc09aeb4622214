set -eu
pg_dump --username=backup 2> dump.log | gzip > nightly.gz &&
    echo "the backup is green"
createdb empty
gunzip < nightly.gz | psql --quiet --dbname=empty &&
    echo "the restore is green"
psql --dbname=empty --command="SELECT count(*) FROM users" 2>&1 | head -n 1
cat dump.log | head -n 1
