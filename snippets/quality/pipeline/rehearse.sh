git clone --quiet . ../clean && cd ../clean || exit
umask 077
if env -i CI=true TZ=UTC LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 \
    HOME="$HOME" PATH="$PATH" make --silent test < /dev/null > test.log; then
    echo "the clone: green"
else
    echo "the clone: red"
    grep -E "^(FAILED|ERROR)" test.log | cut -c 1-80
fi
