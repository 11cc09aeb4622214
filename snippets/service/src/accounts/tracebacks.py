"""Tracebacks that tell where an error came from, and not what it was given."""

import traceback
from typing import Any

import asyncpg
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.exc import SQLAlchemyError
from structlog.typing import ExcInfo

FRAMES = 30
"""The last frames of an error that are written."""
QUOTING = (
    SQLAlchemyError,
    AsyncAdapt_asyncpg_dbapi.Error,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    ValueError,
    KeyError,
    OSError,
)
"""Errors whose messages quote what they were given: a row, a password, an address.

The parsers of Python, pydantic and asyncpg raise a ValueError, smtplib an OSError, and
a dictionary a KeyError, with the key that somebody looked for.
"""
FACTS = {"sqlstate": "sqlstate", "constraint": "constraint_name", "table": "table_name"}


# --8<-- [start:described]
def described(exc_info: ExcInfo) -> list[dict[str, Any]]:
    """Return an error and those that it was raised from or after, the newest first."""
    found, seen = list[dict[str, Any]](), set[int]()
    error: BaseException | None = exc_info[1]
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        found.append(one(error))
        hidden = error.__suppress_context__
        error = error.__cause__ or (None if hidden else error.__context__)
    return found


def one(error: BaseException) -> dict[str, Any]:
    """Return what is told of one error."""
    told: dict[str, Any] = {"exc_type": type(error).__name__}
    if isinstance(error, QUOTING):
        facts = {name: getattr(error, field, None) for name, field in FACTS.items()}
        told |= {name: value for name, value in facts.items() if value}
        if isinstance(error, OSError) and error.errno:
            told["errno"] = error.errno
    else:
        told["exc_value"] = message(error)
    walked = list(traceback.walk_tb(error.__traceback__))[-FRAMES:]
    told["frames"] = [
        {"filename": code.co_filename, "lineno": line, "name": code.co_name}
        for code, line in ((frame.f_code, line) for frame, line in walked)
    ]
    if isinstance(error, BaseExceptionGroup):
        parts = error.exceptions
        told["exceptions"] = [described((type(part), part, None)) for part in parts]
    return told


def message(error: BaseException) -> str:
    """Return what an error says, also when it can't say it."""
    try:
        return str(error)
    except Exception:  # a log line is no place to fail
        return "unprintable"


# --8<-- [end:described]


def unquoted(told: object) -> object:
    """Return the name of an error that may quote its input; else, what it is."""
    return type(told).__name__ if isinstance(told, QUOTING) else told
