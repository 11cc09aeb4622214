"""Expand: add display_name beside name, and keep the two equal."""

import sqlalchemy as sa

from alembic import op

revision = "0003"
down_revision = "0002"

# The release before writes `name`, this one `display_name`; both run during a rollout.
KEEP_EQUAL = """
CREATE FUNCTION users_keep_names_equal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.display_name := coalesce(NEW.display_name, NEW.name);
        NEW.name := NEW.display_name;
    ELSIF NEW.display_name IS DISTINCT FROM OLD.display_name THEN
        NEW.name := NEW.display_name;
    ELSE
        NEW.display_name := NEW.name;
    END IF;
    RETURN NEW;
END $$
"""
ON_EACH_WRITE = """
CREATE TRIGGER users_keep_names_equal BEFORE INSERT OR UPDATE ON users
FOR EACH ROW EXECUTE FUNCTION users_keep_names_equal()
"""


# --8<-- [start:upgrade]
def upgrade() -> None:
    """Add the column; old code goes on without it, and new code needs only it."""
    op.add_column("users", sa.Column("display_name", sa.String(100)))
    op.execute(KEEP_EQUAL)
    op.execute(ON_EACH_WRITE)
    op.execute("UPDATE users SET display_name = name")


# --8<-- [end:upgrade]


def downgrade() -> None:
    """Drop the column; nothing is lost, for `name` holds the same."""
    op.execute("DROP TRIGGER users_keep_names_equal ON users")
    op.execute("DROP FUNCTION users_keep_names_equal")
    op.drop_column("users", "display_name")
