uvicorn orders:app --host="$HOST" --port="$PORT"
