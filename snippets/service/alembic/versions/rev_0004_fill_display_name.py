"""Migrate: fill display_name, a batch of users at a time."""

from alembic import op

revision = "0004"
down_revision = "0003"

# Each batch is a transaction: its rows are locked for some milliseconds, in the order
# of their ids, and the table never. Filled rows stay when it is interrupted, and it can
# be run again.
FILL = """
DO $$
DECLARE last bigint := 0;
BEGIN
    LOOP
        WITH batch AS (
            SELECT id FROM users WHERE id > last ORDER BY id LIMIT 1000
            FOR NO KEY UPDATE
        ), filled AS (
            UPDATE users SET {target} = {source} FROM batch
            WHERE users.id = batch.id AND {target} IS NULL
        )
        SELECT max(id) INTO last FROM batch;
        EXIT WHEN last IS NULL;
        COMMIT;
    END LOOP;
END $$
"""
# This reads the whole table, and lets others read and write it meanwhile.
VALIDATE = "ALTER TABLE users VALIDATE CONSTRAINT ck_users_{column}"


def upgrade() -> None:
    """Fill the column; then old code goes on without it, and new code needs only it."""
    with op.get_context().autocommit_block():
        op.execute(FILL.format(target="display_name", source="name"))
        op.execute(VALIDATE.format(column="display_name"))


def downgrade() -> None:
    """Leave the column filled; nothing is lost."""
