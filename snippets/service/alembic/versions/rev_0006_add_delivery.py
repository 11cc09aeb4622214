"""Expand: add to the outbox what tells how its delivery goes."""

import sqlalchemy as sa

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the columns; no row is read or written, for each default is a constant.

    Code of the release before writes messages without them, and they count as due.
    """
    times = sa.DateTime(timezone=True)
    now = sa.func.now()
    for column in (
        sa.Column("due_at", times, server_default=now, nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("doubts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("held_until", times),
    ):
        op.add_column("outbox", column, if_not_exists=True)


def downgrade() -> None:
    """Leave the columns; the release before doesn't mind, and nothing is lost."""
