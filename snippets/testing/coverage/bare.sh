mv tests/test_refunds.py .
pytest --cov --cov-config=/dev/null --cov-fail-under=80.01 |
    grep -E 'py +[0-9]|coverage of'
cat > unpaid.py <<'END'
from orders.sums import Order, average

average([Order(100, paid=False)])
END
PYTHONPATH=src python unpaid.py 2>&1 | grep -o '^[A-Za-z]*Error'
mv test_refunds.py tests
