import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    email = sa.Column("email", sa.String(200))
    op.add_column("users", email, if_not_exists=True)


def downgrade() -> None:
    """Leave the addresses: the release before names its columns."""
