gunicorn orders:app --bind="$HOST:$PORT" --workers=2 --worker-class=asgi
