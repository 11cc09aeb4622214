sed s/3.11/4.0/ pyproject.toml > floor.toml && mv floor.toml pyproject.toml
uv venv --clear || echo "refused, exit status $?"
python3 -m venv --clear --without-pip .venv && echo "python3 -m venv: green"
