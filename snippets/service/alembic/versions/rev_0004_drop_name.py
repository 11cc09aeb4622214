"""Contract: drop name, once no release that runs reads it."""

import sqlalchemy as sa

from alembic import context, op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Drop the old column and what kept it equal."""
    op.execute("DROP TRIGGER users_keep_names_equal ON users")
    op.execute("DROP FUNCTION users_keep_names_equal")
    op.alter_column("users", "display_name", nullable=False)
    op.drop_column("users", "name")


def downgrade() -> None:
    """Bring the old column back, filled from the new one; nothing is lost."""
    op.add_column("users", sa.Column("name", sa.String(100)))
    op.execute("UPDATE users SET name = display_name")
    op.alter_column("users", "name", nullable=False)
    op.alter_column("users", "display_name", nullable=True)
    expand = context.script.get_revision("0003").module
    op.execute(expand.KEEP_EQUAL)
    op.execute(expand.ON_EACH_WRITE)
