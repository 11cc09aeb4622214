"""How gunicorn runs the service; each value can be overridden on the command line."""

import os
import tempfile

from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker
from prometheus_client.multiprocess import mark_process_dead

from accounts import logs

wsgi_app = "accounts.main:create_app()"
worker_class = "uvicorn_worker.UvicornWorker"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
bind = os.environ.get("BIND", "127.0.0.1:8000")
graceful_timeout = 20  # seconds for requests to end after SIGTERM
timeout = 30  # seconds without a sign of life, after which a worker is replaced
keepalive = 5  # seconds that an idle connection stays open
max_requests, max_requests_jitter = 0, 0
logconfig_dict = logs.config()
control_socket_disable = True

# Shared by all workers, and empty at the start of each run.
METRICS = tempfile.TemporaryDirectory(prefix="accounts-metrics-")
os.environ["PROMETHEUS_MULTIPROC_DIR"] = METRICS.name


def child_exit(server: Arbiter, worker: Worker) -> None:
    """Forget the gauges of a worker that ended; its counts stay."""
    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]  # it is typed in part


def on_exit(server: Arbiter) -> None:
    """Remove the folder."""
    METRICS.cleanup()
