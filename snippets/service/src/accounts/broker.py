"""Celery, on the broker of REDIS_URL."""

from celery import Celery
from celery.signals import setup_logging

from accounts import logs, startup
from accounts.config import Settings

PATIENCE = 2.0
"""Seconds that a publisher waits for the broker."""


# --8<-- [start:options]
def options() -> dict[str, object]:
    """Return Celery's settings, from the environment, when they are needed.

    The outbox is what is true: a message that the broker or a worker loses is handed
    over again, so none is kept after its delivery and no result is stored.
    """
    return {
        "broker_url": startup.read(Settings).redis_url.get_secret_value(),
        "broker_transport_options": {
            "socket_timeout": PATIENCE,
            "socket_connect_timeout": PATIENCE,
            "max_retries": 0,  # for a publisher; a worker tries again, see below
        },
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "task_ignore_result": True,
        "task_soft_time_limit": 20,
        "task_time_limit": 30,
        "worker_prefetch_multiplier": 1,
        "worker_send_task_events": False,
    }


celery = Celery("accounts", include=["accounts.tasks"])
celery.add_defaults(options)
# --8<-- [end:options]


@setup_logging.connect
def configure_logs(**_: object) -> None:
    """Let workers log as the rest of the service does."""
    logs.configure()
