"""Celery, on the broker of REDIS_URL."""

import os
import tempfile
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from celery import Celery
from celery.signals import import_modules, setup_logging
from kombu.exceptions import OperationalError

from accounts import logs, startup
from accounts.config import SERVICE, Settings

PATIENCE = 2.0
"""Seconds that a publisher waits for the broker."""
DELIVER = f"{SERVICE}.deliver"
"""The one task there is; what to do stands in the outbox."""


# --8<-- [start:options]
def options() -> dict[str, object]:
    """Return Celery's settings, from the environment, when they are needed.

    The outbox is what is true: a message that the broker or a worker loses is handed
    over again, so none is kept after its delivery and no result is stored. Each key
    and channel begins with this copy's own name, so that copies can share a broker.
    """
    settings = startup.read(Settings)
    # --8<-- [start:limits]
    return {
        "broker_url": settings.redis_url.get_secret_value(),
        "broker_transport_options": {
            "global_keyprefix": settings.namespace,
            "socket_timeout": PATIENCE,
            "socket_connect_timeout": PATIENCE,
            "max_retries": 0,  # for a publisher; a worker tries again, see below
        },
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "task_default_queue": SERVICE,
        "task_ignore_result": True,
        # A task ends by its own deadlines long before; this is for one that hangs.
        "task_time_limit": settings.hold_seconds,
        "worker_prefetch_multiplier": 1,
        "worker_send_task_events": False,
    }
    # --8<-- [end:limits]


celery = Celery(SERVICE, include=["accounts.tasks", "accounts.worker"])
celery.add_defaults(options)
# --8<-- [end:options]


# --8<-- [start:publish]
class Broker:
    """What the relay asks of the broker; each call blocks, for `PATIENCE` at most."""

    def __init__(self, app: Celery = celery) -> None:
        self.app = app

    def held(self) -> int:
        """Return how many tasks wait for a worker.

        Raises `kombu.exceptions.OperationalError` without a broker.
        """
        with self.app.connection_for_write() as connection:
            queue = self.app.amqp.queues[SERVICE].bind(connection.default_channel)
            try:
                told: Any = queue.queue_declare()  # its stub says `str`
            except connection.recoverable_connection_errors as error:
                raise OperationalError(str(error)) from error
        return int(told.message_count)

    def hand_over(self, ids: Sequence[UUID]) -> None:
        """Send the ids of messages to one worker, or raise `OperationalError`."""
        known = [str(one) for one in ids]
        self.app.send_task(DELIVER, [known], task_id=known[0], retry=False)


# --8<-- [end:publish]


@setup_logging.connect
def configure_logs(**_: object) -> None:
    """Let workers log as the rest of the service does."""
    logs.configure()


@import_modules.connect
def share_metrics(**_: object) -> None:
    """Let a worker's processes count in one folder, before the first of them counts."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        folder = tempfile.mkdtemp(prefix=f"{SERVICE}-metrics-{os.getpid()}-")
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
