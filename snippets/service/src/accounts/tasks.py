"""What workers do."""

import asyncio
from uuid import UUID

import structlog
from celery import Task
from sqlalchemy import NullPool

from accounts.broker import celery
from accounts.config import Settings
from accounts.database import create_engine, create_sessions, is_unreachable, root
from accounts.mail import MailDelayedError, SmtpMailer
from accounts.repositories.outbox_repository import OutboxRepository
from accounts.repositories.user_repository import UserRepository
from accounts.services.user_service import WELCOME
from accounts.services.welcome_service import WelcomeService

log = structlog.get_logger()


class TryAgainError(Exception):
    """The database or the mail server is away; anything else is a bug."""


# --8<-- [start:task]
@celery.task(
    name=WELCOME,
    bind=True,
    autoretry_for=(TryAgainError,),
    retry_backoff=True,
    retry_jitter=True,
    max_retries=3,
)
def send_welcome_email(task: Task[[str], None], message_id: str) -> None:
    """Send the mail that a message of the outbox asks for."""
    with structlog.contextvars.bound_contextvars(message_id=message_id):
        try:
            outcome = asyncio.run(welcome(Settings(), UUID(message_id)))
        except Exception as error:
            if isinstance(error, MailDelayedError) or is_unreachable(error):
                raise TryAgainError(type(root(error)).__name__) from error
            raise
        log.info("welcome", outcome=outcome, retries=task.request.retries)


async def welcome(settings: Settings, message_id: UUID) -> str:
    """Do the task in a session of its own; tell what was done."""
    engine = create_engine(settings, NullPool)
    try:
        async with create_sessions(engine)() as session:
            service = WelcomeService(
                UserRepository(session),
                OutboxRepository(session),
                SmtpMailer(settings),
                session.begin,
            )
            return await service.welcome(message_id)
    finally:
        await engine.dispose()


# --8<-- [end:task]
