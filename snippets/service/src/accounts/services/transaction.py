"""What a use case needs to be done whole or not at all."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import wraps
from typing import ParamSpec, TypeVar

import structlog

from accounts.database import is_passing, root

Transaction = Callable[[], AbstractAsyncContextManager[object]]
"""Begins a transaction; its end commits, an exception rolls back."""
P = ParamSpec("P")
T = TypeVar("T")
log = structlog.get_logger()


# --8<-- [start:tried_again]
def tried_again(use_case: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """Do a use case once more when the database undid its transaction.

    Two transactions that wait for each other, or one that meets a migration, are
    nobody's fault. Only what is known to be undone is done again, not what may be done.
    """

    @wraps(use_case)
    async def call(*told: P.args, **named: P.kwargs) -> T:
        try:
            return await use_case(*told, **named)
        except Exception as error:
            if not is_passing(error):
                raise
            log.warning("transaction_tried_again", error=type(root(error)).__name__)
        return await use_case(*told, **named)

    return call


# --8<-- [end:tried_again]
