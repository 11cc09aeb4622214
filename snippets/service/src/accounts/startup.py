"""What each process does first: read its settings whole, or end at once."""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from typing import TypeVar
from urllib.parse import unquote

import structlog
from pydantic import SecretStr, ValidationError

from accounts import logs
from accounts.config import MigrationSettings, ServerSettings

T = TypeVar("T", bound=MigrationSettings)
WRONG = 78
"""The exit status for settings that are wrong, as `sysexits.h` has it."""
KNOWN = {name.upper() for name in ServerSettings.model_fields}
SHARED = {"BIND", "DATABASE", "DIRECT", "REDIS", "WEB"}
"""First words that variables of other programs have too, as REDIS_TLS_URL."""
FAMILIES = {name.partition("_")[0] for name in KNOWN} - SHARED
LINK = re.compile(r".*_(SERVICE_(HOST|PORT)|PORT(_\d+_(TCP|UDP)))(_\w+)?|\w+_PORT")
"""What Kubernetes sets for each service of a namespace."""
SHORT = 6
"""Names with fewer characters are too much alike: BIN is no slip for BIND."""
CLOSE = 0.85
"""How alike two names are, of 1, so that one is a slip for the other."""
log = structlog.get_logger()


# --8<-- [start:read]
def read(kind: Callable[[], T]) -> T:
    """Return the settings of a process, or end it.

    It then logs which variables are wrong and why, and no value. From now on, the
    log hides the secrets that the settings hold.
    """
    logs.configure()
    wrong = dict.fromkeys(unknown(os.environ), "no setting has this name")
    try:
        settings = kind()
    except ValidationError as error:
        wrong |= told_by(error)
    if wrong:
        log.error("settings_refused", variables=wrong)
        raise SystemExit(WRONG)
    logs.hide(secrets_of(settings))
    return settings


# --8<-- [end:read]


def told_by(error: ValidationError) -> dict[str, str]:
    """Return what is wrong with which variable. No message of these holds a value."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return {str(one["loc"][0]).upper(): one["msg"] for one in found}


# --8<-- [start:unknown]
def unknown(names: Iterable[str]) -> Iterator[str]:
    """Give the variables that are meant for this service and that nothing reads.

    Our names have no prefix, as DATABASE_URL is what platforms set. So ours are those
    whose first word only we use, and those that differ from a known one by a slip.
    """
    for name in sorted(names):
        told = name.upper()
        if told in KNOWN or LINK.fullmatch(told):
            continue
        family, found, _ = told.partition("_")
        if (found and family in FAMILIES) or is_slip(told):
            yield name


# --8<-- [end:unknown]


def is_slip(name: str) -> bool:
    """Tell whether a name is nearly one of ours, but no longer by whole words."""
    if len(name) < SHORT:
        return False
    close = get_close_matches(name, KNOWN, 1, CLOSE)
    return bool(close) and abs(name.count("_") - close[0].count("_")) < 2


def secrets_of(settings: MigrationSettings) -> Iterator[str]:
    """Give the secrets in full, and the password of each address, as parsers see it."""
    for _, value in settings:
        if isinstance(value, SecretStr):
            text = value.get_secret_value()
            yield text
            login, found, _ = text.rpartition("@")
            password = login.partition("://")[2].partition(":")[2]
            if found and password:
                yield from {password, unquote(password)}
