echo 'def total(prices): return sum(prices)' > invoices.py
mypy --strict invoices.py | mypy-baseline sync > sync.log  # once

check() {
    mypy --strict invoices.py > mypy.log ||
        { test $? -eq 1 && grep -q '^Found' mypy.log; } || return 2
    mypy-baseline filter --hide-stats < mypy.log
}
check && echo "what was known: green"

echo 'def tax(price): return price * 0.2' >> invoices.py
check || echo "one more: red"

echo 'def total(prices: list[int]) -> int: return sum(prices)' > invoices.py
check || echo "one less, not recorded: red"
