uv venv --clear &&
    uv pip sync --python .venv --require-hashes --no-build requirements.txt &&
    uv pip check --python .venv &&
    uv run --no-project --python .venv python verify.py orders
