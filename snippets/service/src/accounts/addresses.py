"""E-mail addresses that mean the same to all who read them."""

import re
from email import policy
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.parser import BytesParser

from email_validator import EmailNotValidError, validate_email

LONGEST = 254
"""Characters that an address has at most (RFC 5321, 4.5.3.1.3, less the brackets)."""
# No quotes, comments or encoded words, and none of `%` and `!`, by which a mail server
# may send to another host.
PLAIN = re.compile(r"[a-z0-9_][a-z0-9_.+'&#$*/=^`{|}~-]*@[a-z0-9.-]+")
READER = BytesParser(policy=policy.default)


class AddressError(ValueError):
    """An address that somebody could read as another one."""


# --8<-- [start:plain]
def plain(address: str) -> str:
    """Return an address in small letters, or raise `AddressError`.

    An address is accepted when what we check, what the mail library writes, and what
    a reader of the mail finds are the same. One with other characters than those of
    ASCII is refused; a domain in another script has a form that begins with `xn--`.
    """
    small = address.lower()  # it makes a k of the sign for kelvin
    if not address.isascii() or not is_plain(small):
        raise AddressError("an address such as ann@example.org is wanted")  # noqa: TRY003  pydantic shows it
    try:
        known = validate_email(
            address, check_deliverability=False, strict=True
        ).ascii_email
    except EmailNotValidError as error:
        raise AddressError("it is not a valid address") from error  # noqa: TRY003  pydantic shows it
    mail = EmailMessage()
    try:
        mail["To"] = Address(addr_spec=small)
        read = recipients(mail.as_bytes())
    except (MessageError, ValueError, IndexError) as error:
        raise AddressError("it can't be written in a mail") from error  # noqa: TRY003  pydantic shows it
    if [small] != read or known is None or known.lower() != small:
        raise AddressError("it can be read as another address")  # noqa: TRY003  pydantic shows it
    return small


# --8<-- [end:plain]


def is_plain(address: str) -> bool:
    """Tell whether an address in small letters has no part with a second meaning."""
    known = PLAIN.fullmatch(address)
    return known is not None and len(address) <= LONGEST


def recipients(mail: bytes) -> list[str]:
    """Return the addresses to which a mail goes, as its readers find them."""
    read = READER.parsebytes(mail, headersonly=True)
    headers = [
        read[name] for name in ("To", "Cc", "Bcc") for _ in read.get_all(name, [])
    ]
    return [address.addr_spec for header in headers for address in header.addresses]
