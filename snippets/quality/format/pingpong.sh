isort --quiet . && black --quiet .
isort --check --quiet . 2> isort.log || echo "isort refuses what black wrote"
black --quiet . && isort --quiet .
black --check --quiet . || echo "black refuses what isort wrote"
cat invoices.py
