echo sqlalchemy > list.txt
uv venv --quiet --clear
uv pip sync --quiet list.txt && echo "uv pip sync: green"
uv pip check --quiet || echo "uv pip check: refused, exit status $?"
