"""The tables."""

from accounts.models.base import Base
from accounts.models.idempotency import IdempotencyKey
from accounts.models.job import Job
from accounts.models.message import Message
from accounts.models.user import User

__all__ = ["Base", "IdempotencyKey", "Job", "Message", "User"]
