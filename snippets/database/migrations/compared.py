from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData


def differences(connection: Connection, models: MetaData) -> list[Any]:
    """Return what the migrations of a database lack of the models."""
    context = MigrationContext.configure(connection)
    return list(compare_metadata(context, models))
