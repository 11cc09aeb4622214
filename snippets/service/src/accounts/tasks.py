"""What workers do."""

import asyncio
import smtplib
from uuid import UUID

import structlog
from celery import Task
from sqlalchemy import NullPool
from sqlalchemy.exc import DBAPIError

from accounts.broker import celery
from accounts.config import Settings
from accounts.database import create_engine, create_sessions
from accounts.mail import SmtpMailer
from accounts.repositories.outbox_repository import OutboxRepository
from accounts.repositories.user_repository import UserRepository
from accounts.services.user_service import WELCOME
from accounts.services.welcome_service import WelcomeService

PASSING = OSError, smtplib.SMTPException, DBAPIError
"""What may be over after a while; anything else is a bug and isn't tried again."""
log = structlog.get_logger()


# --8<-- [start:task]
@celery.task(
    name=WELCOME,
    bind=True,
    autoretry_for=PASSING,
    retry_backoff=True,
    retry_jitter=True,
    max_retries=3,
)
def send_welcome_email(task: Task[[str], None], message_id: str) -> None:
    """Send the mail that a message of the outbox asks for."""
    with structlog.contextvars.bound_contextvars(message_id=message_id):
        outcome = asyncio.run(welcome(Settings(), UUID(message_id)))
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
