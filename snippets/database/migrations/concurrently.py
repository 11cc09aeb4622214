"""Build an index while others write."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Remove what an interrupted build left, and build the index."""
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")  # it waits for older transactions
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_users_name")
        op.execute("CREATE INDEX CONCURRENTLY ix_users_name ON users (name)")
        op.execute("RESET lock_timeout")
