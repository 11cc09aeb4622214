git init --quiet --initial-branch=main
git add src tests
git commit --quiet --message="Begin"
git switch --quiet --create=mend
awk '/return total/ { print "    if not count:"; print "        return 0" }
    { print }' sums.py > src/orders/sums.py
check() {
    pytest --cov --cov-report=xml | grep 'coverage of'
    diff-cover coverage.xml --compare-branch=main --branch-coverage \
        --fail-under=100 > change.log && echo "passed" || echo "refused"
    grep 'py (' change.log
}
check
cat > tests/test_unpaid.py <<'END'
from orders.sums import Order, average


def test_unpaid() -> None:
    assert average([Order(100, paid=False)]) == 0
END
check
