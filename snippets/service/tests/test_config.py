"""What a deployment must say, and what an error tells of it."""

import pytest
from pydantic import ValidationError

from accounts.config import ServerSettings

GOOD = {
    "DATABASE_URL": "postgresql://ann:s3cret@host/name",
    "REDIS_URL": "redis://:s3cret@host/0",
    "TOKEN_KEY": "s3cret" * 6,
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that says all that is required."""
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("name", GOOD)
def test_a_secret_has_no_default(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(ValidationError, match=f"1 validation error.*\n{name.lower()}"):
        ServerSettings()


def test_a_secret_is_not_shown() -> None:
    assert "s3cret" not in repr(ServerSettings()) + str(ServerSettings())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOKEN_KEY", "s3cret"),
        ("DATABASE_URL", "mysql://ann:s3cret@host/name"),
        ("DATABASE_URL", "s3cret"),
        ("POOL_SIZE", "0"),
        ("POOL_TIMEOUT", "s3cret"),
    ],
)
def test_a_wrong_value_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=name.lower()) as refusal:
        ServerSettings()
    assert "s3cret" not in str(refusal.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_the_address_needs_no_driver(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"{scheme}://host/name")
    url = ServerSettings().database_url.get_secret_value()
    assert url == "postgresql://host/name"
