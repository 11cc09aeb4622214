"""What workers do."""

import asyncio
import time
from collections.abc import Sequence
from functools import cache
from uuid import UUID

import structlog
from celery import Task
from celery.signals import worker_process_shutdown

from accounts import metrics, startup
from accounts.broker import DELIVER, celery
from accounts.config import Settings
from accounts.database import (
    Sessions,
    create_engine,
    create_sessions,
    is_unreachable,
    root,
)
from accounts.mail import SmtpMailer
from accounts.repositories.outbox_repository import OutboxRepository
from accounts.repositories.user_repository import UserRepository
from accounts.services.delivery_service import DeliveryService

log = structlog.get_logger()


class TryAgainError(Exception):
    """The database is away; anything else is a bug."""


# --8<-- [start:process]
class Process:
    """What one worker process keeps from task to task: its loop and its connections."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.runner = settings, asyncio.Runner()
        self.engine = create_engine(settings)
        self.sessions = create_sessions(self.engine)

    def deliver(self, ids: Sequence[UUID]) -> list[str | BaseException]:
        """Do what messages ask for, all at once; tell what came of each."""

        async def all_at_once() -> list[str | BaseException]:
            work = (deliver(self.sessions, self.settings, one) for one in ids)
            return await asyncio.gather(*work, return_exceptions=True)

        return self.runner.run(all_at_once())

    def close(self) -> None:
        """Give back the connections."""
        self.runner.run(self.engine.dispose())
        self.runner.close()


# --8<-- [end:process]


@cache
def process() -> Process:
    """Return what this process keeps, made by its first task: never before a fork."""
    return Process(startup.read(Settings))


@worker_process_shutdown.connect
def close(**_: object) -> None:
    """End in order."""
    if process.cache_info().currsize:
        process().close()
        process.cache_clear()


# --8<-- [start:task]
# --8<-- [start:send]
@celery.task(
    name=DELIVER,
    bind=True,
    autoretry_for=(TryAgainError,),
    retry_backoff=True,
    retry_jitter=True,
    max_retries=3,
)
def send(task: Task[[list[str]], None], message_ids: list[str]) -> None:
    """Send the mails that messages of the outbox ask for.

    Only a database that is away is waited for here; what was done by then is dropped
    when it comes again. All else is noted in the outbox, from where it comes again.
    """
    outcomes = process().deliver([UUID(one) for one in message_ids])
    errors = [error for error in outcomes if isinstance(error, Exception)]
    for error in errors:
        if is_unreachable(error):
            raise TryAgainError(type(root(error)).__name__) from error
    if errors:
        raise errors[0]


# --8<-- [end:send]


async def deliver(sessions: Sessions, settings: Settings, message_id: UUID) -> str:
    """Do the work in a session of its own; tell what came of it, and count it."""
    began, outcome = time.perf_counter(), "unknown"
    with structlog.contextvars.bound_contextvars(message_id=str(message_id)):
        try:
            async with sessions() as session:
                service = DeliveryService(
                    UserRepository(session),
                    OutboxRepository(session),
                    SmtpMailer(settings),
                    session.begin,
                    settings,
                )
                outcome = await service.deliver(message_id)
        finally:
            metrics.SETTLED.labels(outcome).inc()
            metrics.TRYING.observe(time.perf_counter() - began)
            metrics.weigh("worker")
        log.info("delivery", outcome=outcome)
        return outcome


# --8<-- [end:task]
