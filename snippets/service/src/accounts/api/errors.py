"""Which answer each error becomes."""

import structlog
from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError

from accounts.allowance import TooOftenError
from accounts.api.access import ForbiddenError
from accounts.api.idempotency import NAME
from accounts.api.schemas import Problem
from accounts.database import is_unreachable, root
from accounts.services.user_service import (
    EmailTakenError,
    KeyReusedError,
    UserNotFoundError,
    WrongSecretError,
)
from accounts.tokens import InvalidTokenError

log = structlog.get_logger()

# --8<-- [start:answers]
ANSWERS: dict[type[Exception], tuple[int, str, dict[str, str]]] = {
    UserNotFoundError: (404, "User not found", {}),
    EmailTakenError: (409, "E-mail address taken", {}),
    WrongSecretError: (403, "Wrong token", {}),
    InvalidTokenError: (401, "Invalid token", {"WWW-Authenticate": "Bearer"}),
    ForbiddenError: (403, "Not allowed", {}),
}


async def answer(request: Request, error: Exception) -> JSONResponse:
    """Answer an error that the service expects, or one of its kinds."""
    known = next(kind for kind in type(error).__mro__ if kind in ANSWERS)
    status, detail, headers = ANSWERS[known]
    return JSONResponse({"detail": detail}, status, headers)


# --8<-- [end:answers]


# --8<-- [start:unavailable]
async def answer_database_error(request: Request, error: Exception) -> JSONResponse:
    """Answer 503 while the database is away; raise what is a bug."""
    if not is_unreachable(error):
        raise error
    log.warning("database_unreachable", error=type(root(error)).__name__)
    return JSONResponse({"detail": "Try again later"}, 503, {"Retry-After": "1"})


# --8<-- [end:unavailable]


async def answer_too_often(request: Request, error: Exception) -> JSONResponse:
    """Answer 429, and after how long another request makes sense."""
    assert isinstance(error, TooOftenError)  # noqa: S101  tells the type
    told = {"Retry-After": str(error.seconds)}
    return JSONResponse({"detail": "Try again later"}, 429, told)


async def answer_invalid(request: Request, error: Exception) -> JSONResponse:
    """Answer 422 with what is wrong and where, without what was sent."""
    assert isinstance(error, RequestValidationError)  # noqa: S101  tells the type
    told = [
        {key: fault[key] for key in ("type", "loc", "msg")} for fault in error.errors()
    ]
    return JSONResponse({"detail": jsonable_encoder(told)}, 422)


async def answer_key_reused(request: Request, error: Exception) -> JSONResponse:
    """Answer 422, in the form of all 422."""
    msg = "It belongs to another request"
    fault = {"type": "key_reused", "loc": ("header", NAME.lower()), "msg": msg}
    return await answer_invalid(request, RequestValidationError([fault]))


def install(app: FastAPI) -> None:
    """Register the answers."""
    for known in ANSWERS:
        app.add_exception_handler(known, answer)
    for doubtful in (SQLAlchemyError, OSError):
        app.add_exception_handler(doubtful, answer_database_error)
    app.add_exception_handler(TooOftenError, answer_too_often)
    app.add_exception_handler(KeyReusedError, answer_key_reused)
    app.add_exception_handler(RequestValidationError, answer_invalid)


def problems(*statuses: int) -> dict[int | str, dict[str, object]]:
    """Return what the schema says of these statuses."""
    return {status: {"model": Problem} for status in statuses}
