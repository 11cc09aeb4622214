"""Expand: add the new column beside the old one."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column, empty."""
    op.add_column("users", sa.Column("display_name", sa.String(100)))
