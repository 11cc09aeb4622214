"""One spelling for each thing: what a gateway reads, the service must not read better.

Frameworks are kind: to them, `+1`, `01` and `1.0` are 1, and of two equal names the
last one counts. A gateway that checks the other one is then passed by.
"""

import json
import re
import unicodedata
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic_core import PydanticCustomError

DIGITS = re.compile(r"0|[1-9][0-9]*")
BLANK = {0x115F, 0x1160, 0x2800, 0x3164, 0xFFA0}
"""Letters and symbols that show nothing: Hangul's fillers, Braille without dots."""
JOINERS = "\u200c\u200d"
"""Marks that show nothing and that some scripts and emoji are written with."""
Handle = Callable[[Request], Coroutine[Any, Any, Response]]


# --8<-- [start:digits]
def in_digits(told: object) -> object:
    """Refuse a number in a path or query that is written in an unusual way."""
    if isinstance(told, str) and not DIGITS.fullmatch(told):
        message = "Write it in decimal digits, without a sign or leading zeros"
        raise PydanticCustomError("int_spelling", message)
    return told


# --8<-- [end:digits]


# --8<-- [start:name]
def readable(name: str) -> str:
    """Refuse a name that shows nothing, begins or ends blank, or holds what misleads.

    Marks that change the direction of text can make a name look like another one.
    """
    kinds = [unicodedata.category(letter) for letter in name]
    wrong = any(
        kind in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") and letter not in JOINERS
        for letter, kind in zip(name, kinds, strict=True)
    )
    seen = any(
        kind[0] in "LNPS" and ord(letter) not in BLANK
        for letter, kind in zip(name, kinds, strict=True)
    )
    if wrong or not seen or name != name.strip():
        message = "Write at least one letter, no control marks, and no blanks around"
        raise PydanticCustomError("name_spelling", message)
    return name


# --8<-- [end:name]


# --8<-- [start:strict]
class StrictRequest(Request):
    """A request whose JSON is UTF-8, without repeated names and without NaN."""

    async def json(self) -> Any:  # noqa: ANN401  as the framework has it
        """Return the body, or raise `json.JSONDecodeError`."""
        body = await self.body()
        try:
            return json.loads(
                body.decode("ascii" if body.startswith(b"\xef") else "utf-8"),
                object_pairs_hook=without_twins,
                parse_constant=no_number,
            )
        except UnicodeDecodeError:
            raise json.JSONDecodeError("UTF-8", "", 0) from None


class StrictRoute(APIRoute):
    """A route that reads JSON strictly and refuses parameters that come twice."""

    def get_route_handler(self) -> Handle:
        """Return what answers a request."""
        handle = super().get_route_handler()

        async def strictly(request: Request) -> Response:
            names = [name for name, _ in request.query_params.multi_items()]
            for name in set(names):
                if names.count(name) > 1:
                    fault = {"type": "repeated", "loc": ("query", name)}
                    raise RequestValidationError([{**fault, "msg": "Say it once"}])
            return await handle(StrictRequest(request.scope, request.receive))

        return strictly


def without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object, or raise where a name comes twice."""
    told = dict(pairs)
    if len(told) < len(pairs):
        raise json.JSONDecodeError("twins", "", 0)
    return told


def no_number(_: str) -> None:
    """Refuse NaN and Infinity, which JSON doesn't have."""
    raise json.JSONDecodeError("number", "", 0)


# --8<-- [end:strict]
