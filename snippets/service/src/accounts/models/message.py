"""The outbox: work that was decided on and is not done yet."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import DateTime, Index, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from accounts.models.base import Base


# --8<-- [start:message]
class Message(Base):
    """A task for a worker, written in the transaction that decided on it.

    Its id tells a second delivery from the first. The worker removes the row when
    the task is done, so a row that is missing means: done.
    """

    __tablename__ = "outbox"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    task: Mapped[str] = mapped_column(Text)
    payload: Mapped[dict[str, int]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )
    relayed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    attempts: Mapped[int] = mapped_column(server_default="0")
    error: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        Index(
            "ix_outbox_waiting", "created_at", postgresql_where=text("error IS NULL")
        ),
    )


# --8<-- [end:message]
