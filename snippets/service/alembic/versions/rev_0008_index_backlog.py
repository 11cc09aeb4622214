"""Expand: add the indexes that the relay, the metrics and the scheduler read."""

from alembic import op

revision = "0008"
down_revision = "0007"

INDEXES = {
    "ix_outbox_fresh": "outbox (created_at) WHERE error IS NULL AND relayed_at IS NULL",
    "ix_outbox_again": "outbox (due_at) WHERE error IS NULL AND relayed_at IS NOT NULL",
    "ix_outbox_aside": "outbox (created_at) WHERE error IS NOT NULL",
    "ix_users_unverified": "users (created_at)"
    " WHERE verified_email IS NULL AND verification IS NOT NULL",
}


def upgrade() -> None:
    """Build the indexes while all others read and write.

    A build waits for each transaction that is older, and nobody waits for the build, so
    it may wait as long as it takes.
    One that was interrupted leaves a part that is no use, so it begins with none.
    """
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        for name, rows in INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {rows}")
        op.execute("RESET lock_timeout")


def downgrade() -> None:
    """Drop the indexes; the release before doesn't read them."""
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        for name in INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        op.execute("RESET lock_timeout")
