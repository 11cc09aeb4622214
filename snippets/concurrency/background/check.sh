ruff check --select=RUF006 signup.py
ruff check --select=RUF006 --output-format=concise forgotten.py \
    || echo "refused, exit status $?"
