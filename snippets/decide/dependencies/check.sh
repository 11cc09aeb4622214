cat > pyproject.toml <<'END'
[project]
name = "orders"
version = "1.0"
dependencies = ["fastapi", "uvicorn"]

[tool.deptry.per_rule_ignores]
DEP002 = ["uvicorn"]  # a program: nothing imports it
END
mkdir orders
echo "import fastapi" > orders/main.py
deptry --no-ansi orders && echo "as declared: green"

sed 's/"fastapi", /"aiohttp", &/' pyproject.toml > changed.toml
mv changed.toml pyproject.toml
echo "import jwt" >> orders/main.py
deptry --no-ansi orders || echo "one unused, one missing: red"
