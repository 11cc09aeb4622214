"""The tables."""

from accounts.models.base import Base
from accounts.models.message import Message
from accounts.models.user import User

__all__ = ["Base", "Message", "User"]
