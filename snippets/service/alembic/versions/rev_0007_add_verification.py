"""Expand: add to users whether their address was confirmed, and a table of jobs."""

import sqlalchemy as sa

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the columns, empty; no row is read or written.

    Users that are there, and those that the release before creates meanwhile, count
    as not verified, for nobody asked them. So they are not forgotten either.
    """
    op.add_column(
        "users", sa.Column("verified_email", sa.String(254)), if_not_exists=True
    )
    op.add_column(
        "users", sa.Column("verification", sa.LargeBinary()), if_not_exists=True
    )
    op.create_table(
        "jobs",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_jobs"),
        if_not_exists=True,
    )


def downgrade() -> None:
    """Leave all of it; the release before doesn't mind, and nothing is lost."""
