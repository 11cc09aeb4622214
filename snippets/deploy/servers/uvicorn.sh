uvicorn orders:app --host="$HOST" --port="$PORT" \
  --timeout-graceful-shutdown=20
