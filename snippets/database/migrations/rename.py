"""Rename the column, in one step."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Give the column its new name."""
    op.alter_column("users", "name", new_column_name="display_name")
