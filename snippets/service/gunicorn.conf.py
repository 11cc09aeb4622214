"""How gunicorn runs the service; each value can be overridden on the command line."""

import os
import resource
import shutil
import tempfile
from pathlib import Path

from fastapi import FastAPI
from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker
from uvicorn import Config

from accounts import logs, startup
from accounts.config import ServerSettings

settings = startup.read(ServerSettings)
# --8<-- [start:limits]
wsgi_app = "accounts.main:create_app()"
worker_class = "uvicorn_worker.UvicornWorker"
workers = settings.web_concurrency
bind = settings.bind
# Seconds that an idle connection stays open: longer than the proxy keeps it, or the
# proxy sends a request into a connection that is being closed.
keepalive = 75
graceful_timeout = 21  # seconds after SIGTERM, then a worker is killed
timeout = 30  # seconds without a sign of life, after which a worker is replaced
# --8<-- [end:limits]
# Each connection is an open file. A process may raise its own limit of these
# up to the hard one. Some times `backlog` are accepted before any is closed again.
FILES = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
FILES = 65_536 if FILES == resource.RLIM_INFINITY else min(FILES, 65_536)
resource.setrlimit(
    resource.RLIMIT_NOFILE, (FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
)
backlog = 128
OTHER_FILES = 4 * backlog + 128  # the database's, the cache's, the metrics'
max_requests, max_requests_jitter = 0, 0
logconfig_dict = logs.config()
control_socket_disable = True


# --8<-- [start:drain]
def post_worker_init(worker: Worker) -> None:
    """Let uvicorn cancel what still runs a second before, and end in order.

    Its connections are limited, so that silent ones never take all open files.
    """
    from accounts.connections import limited  # noqa: PLC0415  it counts, see below

    server: Config = vars(worker)["config"]
    server.timeout_graceful_shutdown = worker.cfg.graceful_timeout - 1
    app: FastAPI = vars(worker)["wsgi"]
    server.http = limited(app.state.settings, FILES - OTHER_FILES)


# --8<-- [end:drain]

# --8<-- [start:metrics]
# Shared by all workers, and empty at the start of each run. It must be known before
# the first import of prometheus_client, which reads it then and never again.
# At SIGHUP this file is read anew, and the counts go on.
PREFIX = f"accounts-metrics-{os.getpid()}-"
METRICS = os.environ.get("PROMETHEUS_MULTIPROC_DIR", "")
if not Path(METRICS).name.startswith(PREFIX):
    METRICS = os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix=PREFIX)


def child_exit(server: Arbiter, worker: Worker) -> None:
    """Forget the gauges of a worker that ended; its counts stay."""
    from prometheus_client import multiprocess as many  # noqa: PLC0415  see above

    many.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]  # typed in part


def on_exit(server: Arbiter) -> None:
    """Remove the folder."""
    shutil.rmtree(METRICS)


# --8<-- [end:metrics]
