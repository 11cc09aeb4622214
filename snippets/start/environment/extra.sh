uv venv --quiet --clear
uv pip install --python .venv --quiet sqlalchemy
uv pip check --python .venv --quiet && echo "uv pip check: green"
.venv/bin/python verify.py orders 2>&1 | grep -o "ImportError.*library"
