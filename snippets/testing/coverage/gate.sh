mkdir -p src/orders tests
touch src/orders/__init__.py
cp sums.py src/orders
cat > src/orders/refunds.py <<'END'
def refund(cents: int, days: int) -> int:
    late = days > 30
    return 0 if late else cents
END
cat > tests/test_sums.py <<'END'
from orders.sums import Order, average


def test_average() -> None:
    orders = [Order(100, paid=True), Order(300, paid=True)]
    assert average(orders) == 200
END
pytest --cov | grep -E 'orders/|coverage of'
cat > tests/test_refunds.py <<'END'
from orders.refunds import refund


def test_refund() -> None:
    assert refund(100, days=31) == 0
END
pytest --cov | grep -E 'orders/|coverage of'
