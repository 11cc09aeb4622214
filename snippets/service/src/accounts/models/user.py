"""The table of users."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    DateTime,
    Identity,
    Index,
    LargeBinary,
    String,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from accounts.models.base import Base


# --8<-- [start:user]
class User(Base):
    """A person with an account."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    display_name: Mapped[str] = mapped_column("display_name", String(100))
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )
    verified_email: Mapped[str | None] = mapped_column(String(254))
    """The address that was confirmed last, which may not be the present one."""
    verification: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The digest of what confirms `email`; null for those that nobody asked."""

    __table_args__ = (
        Index(
            "ix_users_unverified",
            "created_at",
            postgresql_where=text(
                "verified_email IS NULL AND verification IS NOT NULL"
            ),
        ),
    )
    __mapper_args__ = {"version_id_col": version, "eager_defaults": True}  # noqa: RUF012  as SQLAlchemy reads it

    @property
    def verified(self) -> bool:
        """Whether somebody who reads the mail of this address confirmed it."""
        return self.verified_email == self.email


# --8<-- [end:user]
