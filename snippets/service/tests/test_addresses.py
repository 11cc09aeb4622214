"""Which addresses are accepted, and what a display name does to a mail."""

import pytest
from httpx2 import AsyncClient

from accounts.addresses import AddressError, plain, recipients
from accounts.models import User
from accounts.services.letters import CONFIRM, OLD_WELCOME, WELCOME, letter
from accounts.services.verification import digest
from tests.fixtures.sample_data import ANN
from tests.test_handlers import create

GOOD = [
    "ann@example.org",
    "ann.lee+news@mail.example.org",
    "o'brien_2@example.org",
    "ann@xn--bcher-kva.example.com",
    "a" * 64 + "@" + ".".join(["b" * 60, "c" * 60, "d" * 57, "example.org"])[-189:],
]
# --8<-- [start:refused]
REFUSED = [
    "=?us-ascii?q?victim=40example.net=2c?=@example.org",
    "=?utf-8?b?dmljdGlt?=@example.org",
    "ann@=?us-ascii?q?example.net?=",
    '"ann lee"@example.org',
    '"victim@example.net"@example.org',
    "ann(comment)@example.org",
    "(comment)ann@example.org",
    "ann@example.org(comment)",
    "friends:ann@example.org;",
    "ann@example.org,victim@example.net",
    "ann@example.org;victim@example.net",
    "<ann@example.org>",
    "Ann <victim@example.net>",
    "ann@example.org>",
    "@example.net:ann@example.org",
    "victim%example.net@example.org",
    "example.net!victim@example.org",
    "ann@example.org\n",
    "ann@example.org\r\nBcc: victim@example.net",
    "ann\x00@example.org",
    "ann\u2028@example.org",
    " ann@example.org",
    "ann@example.org ",
    "ann @example.org",
    "аnn@example.org",  # noqa: RUF001  the first letter is Cyrillic, which is the point
    "ann@exаmple.org",  # noqa: RUF001  so is one of these
    "ａnn@example.org",  # noqa: RUF001  and this one is wide
    "ann＠example.org",  # noqa: RUF001  so is the sign
    "ann@example。org",
    "ann@bücher.example.com",
    "ann@\u2139example.org",
    "\u212aate@example.org",
    "ann@xn--a.example.org",
    "ann@[127.0.0.1]",
    "ann@127.0.0.1",
    "ann@localhost",
    "ann@example",
    "ann@example..org",
    "ann@-example.org",
    "ann@example.org.",
    "ann.@example.org",
    ".ann@example.org",
    "a..n@example.org",
    "-ann@example.org",
    "ann@ann@example.org",
    "a" * 65 + "@example.org",
    "ann@" + "a." * 125 + "org",
    "ann",
    "@example.org",
    "",
]


async def test_an_address_that_is_another_one_is_refused(client: AsyncClient) -> None:
    user_id = await create(client, ANN)
    for address in REFUSED:
        made = await client.post("/users", json={**ANN, "email": address})
        changed = await client.patch(f"/users/{user_id}", json={"email": address})
        assert (made.status_code, changed.status_code) == (422, 422), address


# --8<-- [end:refused]


async def test_an_address_is_kept_as_it_is(client: AsyncClient) -> None:
    for address in GOOD:
        user_id = await create(client, {**ANN, "email": address})
        assert (await client.get(f"/users/{user_id}")).json()["email"] == address


def test_the_library_has_the_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accounts.addresses.recipients", lambda _: ["b@example.org"])
    with pytest.raises(AddressError, match="another address"):
        plain("a@example.org")


def test_all_recipients_are_found() -> None:
    assert recipients(b"To: a@b.org, c@d.org\nBcc: e@f.org\n\n") == [
        "a@b.org",
        "c@d.org",
        "e@f.org",
    ]


def user(name: str) -> User:
    """Return a user that was asked to confirm with the secret `s`."""
    email = ANN["email"]
    return User(id=7, email=email, display_name=name, verification=digest("s", email))


# --8<-- [start:names]
@pytest.mark.parametrize(
    "name",
    [
        *["https://evil.example", "www.evil.example", "evil.example", "evil。example"],
        *["evil․example", "mailto:a@evil.example", "victim@example.net", "tel:110"],  # noqa: RUF001  a dot that only looks like one
        *["a\nb", "a\r\n\r\nb", "a\u2028b", "a\u202eb", "a\x1bb", "a\x85b", "a\u200bb"],
        *["<a>", "[a](b)", "a/b", "a\\b", "a\tb", "1", "💰", " ", "-", "'"],
    ],
)
@pytest.mark.parametrize("kind", [WELCOME, CONFIRM, OLD_WELCOME])
def test_a_name_that_is_more_than_a_name_is_not_in_the_mail(
    kind: str, name: str
) -> None:
    nameless = letter(kind, user("7"), "s", "https://a.example/")
    assert letter(kind, user(name), "s", "https://a.example/") == nameless


@pytest.mark.parametrize("name", ["Ann", "Ann-Marie O'Neil", "Zoë", "李小龍", "أحمد"])
def test_a_name_is_in_the_mail(name: str) -> None:
    assert f"Hello {name}, welcome!\n" in letter(WELCOME, user(name), "s", "").text


# --8<-- [end:names]
