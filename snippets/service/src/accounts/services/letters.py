"""What the service writes to its users."""

import re
from urllib.parse import urlencode

from accounts.mail import Mail
from accounts.models import User
from accounts.services.verification import confirms

WELCOME = "welcome"
"""Asks for the mail to a new user."""
CONFIRM = "confirm"
"""Asks for the mail to an address that a user changed to."""
OLD_WELCOME = "accounts.send_welcome_email"
"""What the release before calls the first; its messages may still wait."""


KINDS = {WELCOME, CONFIRM, OLD_WELCOME}
JOINED = re.compile("[ '\u2019-]")


class UnknownKindError(Exception):
    """No such letter is known; perhaps a newer release wrote the message."""


# --8<-- [start:letter]
def letter(kind: str, user: User, secret: str, verify_url: str) -> Mail:
    """Return the mail of one of `KINDS`.

    It holds the link that confirms the address, unless that was done, or the secret
    is an older address's.
    """
    hello = f"Hello{greeted(user.display_name)}"
    subject, text = "Welcome", f"{hello}, welcome!\n"
    if kind == CONFIRM:
        subject, text = "Confirm your address", f"{hello}, you changed your address.\n"
    if confirms(secret, user) and not user.verified:
        link = f"{verify_url}?{urlencode({'user': user.id, 'token': secret})}"
        text += f"\nPlease confirm that it is yours:\n{link}\n"
    return Mail(user.email, subject, text)


def greeted(name: str) -> str:
    """Return a name as it may stand in a mail, or nothing.

    Anybody can make us write to anybody. So a name of more than letters, spaces,
    hyphens and apostrophes is left out: it could be a link, an address, or lines.
    """
    words = JOINED.split(name)
    plain = any(words) and all(word.isalpha() for word in words if word)
    return f" {name}" if plain else ""


# --8<-- [end:letter]
