uncollected() {
    grep -rlE '^ *(async )?def test_' --include='*.py' tests | sort > written
    pytest --collect-only -q tests | sed -n 's/::.*//p' | sort -u > collected
    comm -23 written collected
}
mkdir -p tests/orders
cp own.py tests/orders/tests_basket.py
cp own.py tests/orders/test_prices.py
echo "missed: $(uncollected)"
mv tests/orders/tests_basket.py tests/orders/test_basket.py
echo "missed: $(uncollected)"
