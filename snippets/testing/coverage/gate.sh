pytest --cov | grep 'orders/\|coverage of'
cat > tests/test_refunds.py <<'END'
from orders.refunds import refund


def test_refund() -> None:
    assert refund(100, days=31) == 0
END
pytest --cov | grep 'orders/\|coverage of'
