"""Create the outbox."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table and the index that the relay reads."""
    op.create_table(
        "outbox",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.func.now(),
            nullable=False,
        ),
        sa.Column("relayed_at", sa.DateTime(timezone=True)),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )
    waiting = sa.text("error IS NULL")
    op.create_index(
        "ix_outbox_waiting", "outbox", ["created_at"], postgresql_where=waiting
    )


def downgrade() -> None:
    """Drop the table; tasks that wait in it are lost."""
    op.drop_table("outbox")
