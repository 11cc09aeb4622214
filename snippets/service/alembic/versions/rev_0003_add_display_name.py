"""Expand: add display_name beside name, and keep the two equal at each write."""

import sqlalchemy as sa

from alembic import op

revision = "0003"
down_revision = "0002"

# --8<-- [start:trigger]
# The release before writes `name`, this one `display_name`; both run during a rollout.
KEEP_EQUAL = """
CREATE OR REPLACE FUNCTION users_keep_names_equal() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.name IS DISTINCT FROM OLD.name
            AND NEW.display_name IS NOT DISTINCT FROM OLD.display_name THEN
        NEW.display_name := NEW.name;
    ELSE
        NEW.display_name := coalesce(NEW.display_name, NEW.name);
        NEW.name := NEW.display_name;
    END IF;
    RETURN NEW;
END $$
"""
ON_EACH_WRITE = """
CREATE OR REPLACE TRIGGER users_keep_names_equal BEFORE INSERT OR UPDATE ON users
FOR EACH ROW EXECUTE FUNCTION users_keep_names_equal()
"""
# --8<-- [end:trigger]
# It holds for each write from now on; the rows that are there are checked later.
NOT_NULL = """
ALTER TABLE users
ADD CONSTRAINT ck_users_{column} CHECK ({column} IS NOT NULL) NOT VALID
"""


def upgrade() -> None:
    """Add the column, empty; no row is read or written."""
    op.add_column("users", sa.Column("display_name", sa.String(100)))
    op.execute(KEEP_EQUAL)
    op.execute(ON_EACH_WRITE)
    op.execute(NOT_NULL.format(column="display_name"))


def downgrade() -> None:
    """Drop the column; nothing is lost, for `name` holds the same."""
    op.execute("DROP TRIGGER users_keep_names_equal ON users")
    op.execute("DROP FUNCTION users_keep_names_equal")
    op.drop_column("users", "display_name")
