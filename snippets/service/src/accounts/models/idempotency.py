"""The keys of requests that may come twice."""

from datetime import datetime

from sqlalchemy import BigInteger, DateTime, Index, LargeBinary, Text, func
from sqlalchemy.orm import Mapped, mapped_column

from accounts.models.base import Base


# --8<-- [start:key]
class IdempotencyKey(Base):
    """What a client called a request, and what came of it.

    Written in the transaction of the change: both are there, or neither. What the
    request says is not stored again, only its digest: whoever sends it says it too.
    """

    __tablename__ = "idempotency_keys"

    key: Mapped[str] = mapped_column(Text, primary_key=True)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    """The digest of the request."""
    user_id: Mapped[int | None] = mapped_column(BigInteger)
    """Whom the request created; null until its transaction is about to end."""
    created_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )
    """When it created the user."""

    __table_args__ = (Index("ix_idempotency_keys_created_at", "created_at"),)


# --8<-- [end:key]
