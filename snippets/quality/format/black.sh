black --check --quiet . || echo "black refuses"
isort --check --quiet . 2> isort.log || echo "isort refuses"
isort --quiet .
black --quiet .
black --check --quiet . && isort --check . && echo "both pass"
