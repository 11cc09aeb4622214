mkdir newer && cd newer || exit
sed s/3.11/4.0/ ../pyproject.toml > pyproject.toml
uv venv || echo "refused, exit status $?"
python3 -m venv --without-pip .venv && echo "python3 -m venv: green"
