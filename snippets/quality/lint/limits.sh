cat > orders.py <<'PY'
"""Pages of orders."""


def later(names: list[str], first: int) -> list[str]:
    """Return the names that come after a number, without that number itself."""
    return names[first + 1 :]
PY
black --check --quiet orders.py && echo "black: green"
flake8 --isolated orders.py || echo "in the README: refused"
flake8 --isolated --max-line-length=120 orders.py || echo "in the hook: refused"
flake8 --config=tox.ini orders.py && echo "with one file of settings: green"
