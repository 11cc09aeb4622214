echo sqlalchemy > list.txt
uv venv --quiet --clear
uv pip sync --python .venv --quiet list.txt && echo "uv pip sync: green"
uv pip check --python .venv --quiet ||
    echo "uv pip check: refused, exit status $?"
