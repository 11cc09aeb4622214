"""The outbox: work that was decided on and is not done yet."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import DateTime, Index, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from accounts.models.base import Base

Payload = Mapping[str, int | str]
"""What a message says beside its kind."""


# --8<-- [start:message]
class Message(Base):
    """Work for a worker, written in the transaction that decided on it.

    Its id tells a second delivery from the first. The worker removes the row when
    the work is done, so a row that is missing means: done.
    """

    __tablename__ = "outbox"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    task: Mapped[str] = mapped_column(Text)
    """What kind of work it is."""
    payload: Mapped[Payload] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )
    relayed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """When the broker took it last; null while it is fresh."""
    attempts: Mapped[int] = mapped_column(server_default="0")
    """How often the broker took it."""
    due_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )
    """When it is handed over again, unless it was settled before."""
    tries: Mapped[int] = mapped_column(server_default="0")
    """How often a worker began with it."""
    doubts: Mapped[int] = mapped_column(server_default="0")
    """How many of these may have done the work, for nobody told the outcome."""
    held_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """Until then one worker has it; null when the outcome of its last try is known."""
    error: Mapped[str | None] = mapped_column(Text)
    """Why it was set aside for people; null while it waits."""

    __table_args__ = (
        Index(
            "ix_outbox_waiting", "created_at", postgresql_where=text("error IS NULL")
        ),
        Index(
            "ix_outbox_fresh",
            "created_at",
            postgresql_where=text("error IS NULL AND relayed_at IS NULL"),
        ),
        Index(
            "ix_outbox_again",
            "due_at",
            postgresql_where=text("error IS NULL AND relayed_at IS NOT NULL"),
        ),
        Index(
            "ix_outbox_aside", "created_at", postgresql_where=text("error IS NOT NULL")
        ),
    )


# --8<-- [end:message]
