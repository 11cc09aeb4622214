"""${message}."""

import sqlalchemy as sa
${imports if imports else ""}
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Say what old and new code can do meanwhile."""
    ${upgrades if upgrades else ""}


def downgrade() -> None:
    """Say what is lost."""
    ${downgrades if downgrades else ""}
