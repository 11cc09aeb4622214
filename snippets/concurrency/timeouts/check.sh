ruff check bounded.py
ruff check --output-format=concise blocked.py || echo "refused, exit status $?"
