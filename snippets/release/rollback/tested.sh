set -eu
suits() {
    git switch --quiet --detach "$2" # the release that comes
    alembic upgrade head # on DATABASE_URL
    git switch --quiet --detach "$1" # the release that runs
    if ! pytest --quiet test_users.py > test.log; then
        echo "$1 fails on the schema of $2"
        exit 1
    fi
    echo "$1 passes on the schema of $2"
}
suits v1.2.2 v1.2.3
suits v1.2.3 v1.3.0
