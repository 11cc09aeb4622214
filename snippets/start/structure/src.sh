mkdir -p src/orders tests
cat > pyproject.toml <<'EOF'
[build-system]
requires = ["uv_build"]
build-backend = "uv_build"

[project]
name = "orders"
version = "1"

[tool.pytest]
pythonpath = ["src"]
EOF
cat > tests/test_vat.py <<'EOF'
import orders


def test_vat() -> None:
    assert orders.VAT == 25
EOF
echo 'VAT = 25' > rates.py
echo 'from rates import VAT' > src/orders/__init__.py
pytest --quiet | grep '^E  '
mv rates.py src/orders
echo 'from orders.rates import VAT' > src/orders/__init__.py
pytest --quiet | grep --only-matching '1 passed'
uv pip install --quiet --offline --target installed .
PYTHONPATH=installed python -P -c '
import orders; print("installed:", orders.VAT)'
