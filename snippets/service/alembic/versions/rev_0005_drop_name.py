"""Contract: drop name, once no release that runs reads it."""

import sqlalchemy as sa

from alembic import context, op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Drop the old column and what kept it equal.

    PostgreSQL reads no row for it: the constraint says that none is null.
    """
    op.execute("DROP TRIGGER users_keep_names_equal ON users")
    op.execute("DROP FUNCTION users_keep_names_equal")
    op.alter_column("users", "display_name", nullable=False)
    op.execute("ALTER TABLE users DROP CONSTRAINT ck_users_display_name")
    op.drop_column("users", "name")


def downgrade() -> None:
    """Bring the old column back, filled from the new one; nothing is lost.

    It can be run again when it was interrupted.
    """
    expand, fill = (context.script.get_revision(n).module for n in ("0003", "0004"))
    name = sa.Column("name", sa.String(100))
    op.add_column("users", name, if_not_exists=True)
    op.execute(expand.KEEP_EQUAL)
    op.execute(expand.ON_EACH_WRITE)
    for column in ("name", "display_name"):
        op.execute(f"ALTER TABLE users DROP CONSTRAINT IF EXISTS ck_users_{column}")
        op.execute(expand.NOT_NULL.format(column=column))
    with op.get_context().autocommit_block():
        op.execute(fill.FILL.format(target="name", source="display_name"))
        for column in ("name", "display_name"):
            op.execute(fill.VALIDATE.format(column=column))
    op.alter_column("users", "name", nullable=False)
    op.execute("ALTER TABLE users DROP CONSTRAINT ck_users_name")
    op.alter_column("users", "display_name", nullable=True)
