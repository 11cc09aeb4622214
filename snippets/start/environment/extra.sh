uv venv --quiet --clear
uv pip install --quiet sqlalchemy
uv pip check --quiet && echo "uv pip check: green"
.venv/bin/python verify.py orders 2>&1 | grep -o "ImportError.*library"
