mkdir -p newer
sed s/3.11/4.0/ pyproject.toml > newer/pyproject.toml
uv venv --directory newer || echo "refused, exit status $?"
python3 -m venv --without-pip newer/.venv && echo "python3 -m venv: green"
