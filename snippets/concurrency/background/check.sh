ruff check --select=RUF006 outbox.py
ruff check --select=RUF006 --output-format=concise forgotten.py || echo "refused, exit status $?"
