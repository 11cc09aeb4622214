uncollected() {
    grep -roE --include='*.py' '^ *(async )?def test_[A-Za-z0-9_]*' "$1" |
        sed 's/:.* /::/' | sort > written
    pytest --collect-only -q "$1" | sed -n 's/\[.*//; /::/p' | sort -u |
        sed 's/::.*::/::/' | sort > collected
    test -s written && ! comm -23 written collected | grep .
}
mkdir -p tests/orders
uncollected tests || echo "refused: no test at all"
cp own.py tests/orders/tests_basket.py
cat > tests/orders/test_prices.py <<'END'
def test_a_price() -> None: ...
class Prices:
    def test_another(self) -> None: ...
END
uncollected tests || echo "refused"
mv tests/orders/tests_basket.py tests/orders/test_basket.py
sed 's/Prices/TestPrices/' tests/orders/test_prices.py > prices
mv prices tests/orders/test_prices.py
uncollected tests && echo "passed"
