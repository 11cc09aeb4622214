uv venv --clear
uv pip sync --require-hashes requirements.txt
uv pip check
uv run --no-project python verify.py orders
