"""The addresses of parts, by one grammar that is no wider than any that reads them.

A password with a raw `/` or `@` is read in several ways, and an error of a parser may
quote a part of it. So such an address is refused here, and its value is never shown.
"""

import re
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

PART = r"(?:[^/?#\[\]@:%\s\x00-\x1f\x7f]|%[0-9A-Fa-f]{2})"
LOGIN = rf"(?:{PART}*(?::(?:{PART}|:)*)?@)?"
HOST = rf"(?:\[[0-9A-Fa-f:.]+\]|{PART}*)(?::[0-9]{{1,5}})?"
QUERY = rf"(?:\?(?:{PART}|[:/])*)?"
DATABASE = re.compile(
    rf"postgres(?:ql)?(?:\+\w+)?://{LOGIN}(?P<hosts>{HOST}(?:,{HOST})*)"
    rf"(?:/{PART}*)?{QUERY}"
)
REDIS = re.compile(rf"rediss?://{LOGIN}(?P<hosts>{HOST})(?:/[0-9]*)?{QUERY}")
HOW = "; a character with a meaning of its own, as / or @, is written as %2F or %40"
CHOICES = {
    "sslmode": ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"],
    "ssl_cert_reqs": ["required", "optional", "none"],
}
FILES = {"sslcert", "sslkey", "sslrootcert", "ssl_ca_certs", "ssl_certfile"}


def database(url: str) -> str:
    """Return the address of a database as libpq and asyncpg know it.

    Raises `ValueError`, which tells what is wrong and not what was given.
    """
    scheme, found, rest = url.partition("://")
    if not found or scheme.partition("+")[0] not in ("postgresql", "postgres"):
        raise ValueError("it must begin with postgresql://")  # noqa: TRY003  it is shown
    check(DATABASE, url, "postgresql://user:password@host:port/name")
    return f"postgresql://{rest}"


def redis(url: str) -> str:
    """Return the address of a Redis server, or raise as `database` does."""
    check(REDIS, url, "redis://:password@host:port/number")
    if url.startswith("rediss:") and "ssl_cert_reqs" not in query(url):
        raise ValueError("with rediss:// it must end in ?ssl_cert_reqs=required")  # noqa: TRY003  so too
    return url


def check(grammar: re.Pattern[str], url: str, like: str) -> None:
    """Raise `ValueError` for an address that a grammar doesn't know."""
    found = grammar.fullmatch(url)
    if found is None:
        raise ValueError(f"it must look like {like}{HOW}")  # noqa: TRY003  so too
    for host in found["hosts"].split(","):
        port = re.sub(r"^\[.*\]", "", host).rpartition(":")[2] if ":" in host else "1"
        if port and not 0 < int(port) < 65536:
            raise ValueError("it must name a port between 1 and 65535")  # noqa: TRY003  so too
    for name, value in query(url).items():
        if value not in CHOICES.get(name, [value]):
            raise ValueError(f"{name} must be one of: {', '.join(CHOICES[name])}")  # noqa: TRY003  so too
        if name in FILES and not Path(value).is_file():
            raise ValueError(f"{name} must name a file that is there")  # noqa: TRY003  so too


def query(url: str) -> dict[str, str]:
    """Return the parameters of an address."""
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
