gunicorn invoices:app --bind="$HOST:$PORT" --workers=2 --threads=20
