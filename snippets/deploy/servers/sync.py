import os

HOST = os.environ.get("HOST", "127.0.0.1")
PORT = os.environ.get("PORT", "8000")

wsgi_app = "orders:app"
bind = f"{HOST}:{PORT}"
timeout = 30  # seconds since a worker's last report, then it is killed
graceful_timeout = 20  # seconds for requests, after the server is told to end
