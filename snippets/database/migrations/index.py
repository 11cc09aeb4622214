"""Build an index while nobody writes."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Build the index in the transaction of the migration."""
    op.create_index("ix_users_name", "users", ["name"])
