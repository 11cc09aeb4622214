"""Hands messages from the outbox to the broker: `python -m accounts.relay`."""

import asyncio
import contextlib
import signal

import structlog
from celery import Celery
from kombu.exceptions import OperationalError

from accounts import logs, startup
from accounts.broker import celery
from accounts.config import Settings
from accounts.database import (
    Sessions,
    create_engine,
    create_sessions,
    is_unreachable,
    root,
)
from accounts.models import Message
from accounts.repositories.outbox_repository import OutboxRepository

BATCH = 100
"""Messages that one transaction hands over."""
log = structlog.get_logger()


# --8<-- [start:relay]
async def relay(sessions: Sessions, broker: Celery, settings: Settings) -> int:
    """Hand over the messages that are due, once; return how many there were.

    A broker that fails, or doesn't answer in time, raises `OperationalError`; what
    it took before is marked, the rest stays due.
    """
    async with sessions() as session:
        outbox = OutboxRepository(session)
        due = await outbox.due(settings.relay_retry_after, BATCH)
        try:
            for message in due:
                await asyncio.to_thread(publish, broker, message)
                outbox.mark_relayed(message)
        finally:
            await session.commit()
    return len(due)


def publish(broker: Celery, message: Message) -> None:
    """Send a message to the broker; this blocks, for `broker.PATIENCE` at most."""
    known_as = str(message.id)
    broker.send_task(message.task, [known_as], task_id=known_as, retry=False)


# --8<-- [end:relay]


# --8<-- [start:forever]
async def relay_until(stopped: asyncio.Event, settings: Settings) -> None:
    """Look into the outbox again and again, whatever is away meanwhile."""
    engine = create_engine(settings)
    sessions = create_sessions(engine)
    while not stopped.is_set():
        try:
            handed_over = await relay(sessions, celery, settings)
        except OperationalError as error:
            log.warning("broker_unreachable", error=type(error).__name__)
            handed_over = 0
        except Exception as error:
            if not is_unreachable(error):
                raise
            log.warning("database_unreachable", error=type(root(error)).__name__)
            handed_over = 0
        if handed_over < BATCH:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), settings.relay_interval)
    await engine.dispose()


# --8<-- [end:forever]


async def main() -> None:
    """Relay until SIGTERM or SIGINT, then end after the batch at hand.

    A bug is logged like all else, and ends the process with status 1.
    """
    logs.configure()
    settings = startup.read(Settings)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    try:
        await relay_until(stopped, settings)
    except Exception:
        log.exception("relay_failed")
        raise SystemExit(1) from None


if __name__ == "__main__":
    asyncio.run(main())
