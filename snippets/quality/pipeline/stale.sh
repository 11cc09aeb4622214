job() {
    rm -rf env
    if test -d "cache/$1"; then
        cp -r "cache/$1" env # the cache has the key: nothing is installed
    else
        uv pip install --quiet --no-index --find-links wheels \
            --target env --requirement lock.txt
        mkdir -p cache
        cp -r env "cache/$1"
    fi
    echo "$1: $(cat lock.txt) in the lock, $(echo env/*-info)"
}
for version in 1.0 2.0; do
    echo "money==$version" > lock.txt
    job "python-3.11"
    job "python-3.11-$(cksum < lock.txt | cut -d' ' -f1)"
done
