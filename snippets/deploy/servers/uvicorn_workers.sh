uvicorn orders:app --host="$HOST" --port="$PORT" --workers=2 \
  --timeout-worker-healthcheck=60 --timeout-graceful-shutdown=20
