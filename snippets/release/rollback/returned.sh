set -eu
told() { psql --quiet --tuples-only --no-align "$@"; }
count="SELECT count(*) || ' users, ' || count(email) || ' addresses' FROM users"
git switch --quiet --detach v1.2.3
alembic upgrade head
had=$(told --command "$count")
echo "after the upgrade: $had"
umask 077 # what follows holds what users entered

createdb beside
pg_restore --exit-on-error --dbname=beside shop.dump
had=$(told --dbname=beside --command "$count")
echo "in the dump: $had"

saved="SELECT id, email FROM users WHERE email IS NOT NULL"
told --dbname=beside --command "COPY ($saved) TO STDOUT" > saved.tsv
told --set=ON_ERROR_STOP=1 << 'END'
CREATE TEMPORARY TABLE saved (id integer, email text);
\copy saved FROM saved.tsv
UPDATE users SET email = saved.email FROM saved
WHERE users.id = saved.id AND users.email IS NULL;
END
dropdb beside
rm saved.tsv
had=$(told --command "$count")
echo "at the end: $had"
