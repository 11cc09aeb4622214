uncollected() {
    grep -rlE '^ *(async )?def test_' --include='*.py' "$1" | sort > written
    pytest --collect-only -q "$1" | sed -n 's/::.*//p' | sort -u > collected
    test -s written && ! comm -23 written collected | grep .
}
mkdir -p tests/orders
uncollected tests || echo "refused: no test at all"
cp own.py tests/orders/tests_basket.py
cp own.py tests/orders/test_prices.py
uncollected tests || echo "refused"
mv tests/orders/tests_basket.py tests/orders/test_basket.py
uncollected tests && echo "passed"
