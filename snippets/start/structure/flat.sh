mkdir -p orders tests
cat > pyproject.toml <<'EOF'
[build-system]
requires = ["uv_build"]
build-backend = "uv_build"

[project]
name = "orders"
version = "1"

[tool.uv.build-backend]
module-root = ""
EOF
cat > tests/test_vat.py <<'EOF'
import orders


def test_vat() -> None:
    assert orders.VAT == 25
EOF
echo 'VAT = 25' > rates.py
echo 'from rates import VAT' > orders/__init__.py
python -m pytest --quiet | grep --only-matching '1 passed'
uv pip install --quiet --offline --target installed .
PYTHONPATH=installed python -P -c 'import orders' 2>&1 | tail -n 1
