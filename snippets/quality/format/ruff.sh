ruff format --check --output-format=concise . || true
ruff check --select=I --output-format=concise . || true
ruff check --select=I --quiet --fix .
ruff format --quiet .
ruff format --check . && ruff check --select=I .
