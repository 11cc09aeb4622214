uvicorn orders:app --host="$HOST" --port="$PORT" --workers=2 \
  --timeout-worker-healthcheck=60
