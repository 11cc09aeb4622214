"""What differs from one deployment to the next, read from the environment."""

from typing import Annotated
from urllib.parse import urlsplit

from limits import parse
from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from accounts import keys, urls

SERVICE = __name__.partition(".")[0]
"""The service's name: that of its package."""


def database_address(url: SecretStr) -> SecretStr:
    """Accept an address as other programs write it, or as SQLAlchemy does."""
    return SecretStr(urls.database(url.get_secret_value()))


def redis_address(url: SecretStr) -> SecretStr:
    """Refuse an address that not all who read it read alike."""
    return SecretStr(urls.redis(url.get_secret_value()))


def verifying(key: SecretStr) -> SecretStr:
    """Refuse what is no key, and a private key: whoever verifies must not need it."""
    if any(one.is_private for one in keys.parse(key.get_secret_value())):
        raise ValueError("it must not hold a private key, only the public one")  # noqa: TRY003  it is shown
    return key


def rate(told: str) -> str:
    """Refuse what is no rate."""
    try:
        parse(told)
    except ValueError:
        raise ValueError("it must look like 30/hour") from None  # noqa: TRY003  so too
    return told


Database = Annotated[SecretStr, AfterValidator(database_address)]


# --8<-- [start:settings]
class MigrationSettings(BaseSettings):
    """The settings of a migration, each from the variable of its name in capitals.

    What has no default is required. Without it, the process ends at once and names
    the variable, never a value: see `startup.read`.
    """

    model_config = SettingsConfigDict(
        frozen=True, hide_input_in_errors=True, env_ignore_empty=True
    )

    database_url: Database
    """`postgresql://user:password@host/name`, with libpq's parameters for TLS."""
    direct_database_url: Database | None = None
    """The same database past the pooler, if `database_url` is a transaction pooler's.

    Migrations and streams need it, for such a pooler keeps no state of a connection.
    """


class Settings(MigrationSettings):
    """The settings that all other processes share."""

    redis_url: Annotated[SecretStr, AfterValidator(redis_address)]
    """`redis://:password@host:port/number`, for the broker and the cache."""
    # --8<-- [end:settings]
    pool_size: int = Field(default=5, ge=1)
    """Connections to the database that one process keeps open."""
    pool_overflow: int = Field(default=5, ge=0)
    """Connections that one process opens beyond those when it is busy."""
    pool_timeout: float = Field(default=5.0, gt=0)
    """Seconds that a request waits for a connection before it is answered 503."""
    connect_timeout: float = Field(default=2.0, gt=0)
    """Seconds for a new connection to the database."""
    statement_timeout: float = Field(default=5.0, gt=0)
    """Seconds after which server and client give up a statement."""
    lock_timeout: float = Field(default=2.0, gt=0)
    """Seconds that a statement waits for a lock, such as on a row."""
    idle_timeout: float = Field(default=20.0, gt=0)
    """Seconds after which the server ends a transaction in which nothing happens."""
    cache_seconds: int = Field(default=60, ge=0)
    """Seconds for which a user stays in the cache; 0 turns it off."""
    smtp_host: str = "127.0.0.1"
    """The host of the mail server."""
    smtp_port: int = Field(default=25, ge=1, le=65_535)
    """The port of the mail server."""
    mail_from: str = "accounts@example.org"
    """The address that welcome e-mails come from."""
    relay_interval: float = Field(default=0.5, gt=0)
    """Seconds between two looks into the outbox."""
    relay_retry_after: float = Field(default=60.0, gt=0)
    """Seconds after which a message that no worker settled is handed over again.

    Each time it takes as much longer, up to ten times as long.
    """
    # --8<-- [start:delivery]
    redis_prefix: str = Field(default=SERVICE, pattern=r"^[A-Za-z0-9_.-]{1,40}$")
    """What the names of all that this service keeps in `redis_url` begin with."""
    broker_limit: int = Field(default=1000, ge=2)
    """Messages in the broker's queue, beyond which the relay hands over no other."""
    mail_timeout: float = Field(default=30.0, gt=0)
    """Seconds in which a worker gets a mail to the mail server, from first to last."""
    mail_at_once: int = Field(default=10, ge=1)
    """Mails that one worker process sends at the same time."""
    mail_tries: int = Field(default=20, ge=1)
    """Failed tries after which a message is set aside for people."""
    mail_doubts: int = Field(default=3, ge=1)
    """Tries that may have sent the mail, after which a message is set aside."""
    verify_url: str = Field(default="https://example.org/verify", pattern=r"^https?://")
    """Your page that confirms an address; `?user=` and `&token=` are added to it."""
    forget_after: float = Field(default=7 * 86_400.0, gt=0)
    """Seconds after which a user that never confirmed an address is forgotten."""
    idempotency_seconds: float = Field(default=86_400.0, gt=0)
    """Seconds for which a client may send a request again with its key, at least."""
    scheduler_interval: float = Field(default=60.0, gt=0)
    """Seconds between two looks for jobs that are due."""
    monitor_bind: str = Field(default="", pattern=r"^([^:\s]+:\d{1,5})?$")
    """`host:port` of `/healthz` and `/metrics` of all but the server; empty: none."""
    # --8<-- [end:delivery]

    @property
    def hold_seconds(self) -> float:
        """For how long a worker has a message: a half longer than its mail may take."""
        return self.mail_timeout * 1.5

    @property
    def namespace(self) -> str:
        """What stands before all names in the Valkey, so that copies can share one.

        The database's name is a part of it: a copy that nobody renamed has its own.
        """
        database = urlsplit(self.database_url.get_secret_value()).path.strip("/")
        return f"{self.redis_prefix}:{database}:"


class ServerSettings(Settings):
    """The settings of the server, which alone verifies tokens."""

    token_key: Annotated[SecretStr, AfterValidator(verifying)]
    """Verifies bearer tokens: a secret of 32 bytes or more, or a JWK set.

    A set holds several keys, each with its `kid`, so that one can replace another,
    and public keys, with which nobody can make tokens.
    """
    mail_limit: Annotated[str, AfterValidator(rate)] = "30/hour"
    """How often one client may ask for what sends a mail."""
    body_limit: int = Field(default=65_536, gt=0)
    """Bytes of a request's body, beyond which it is answered 413."""
    request_timeout: float = Field(default=10.0, gt=0)
    """Seconds in which a client must have sent its request, head and body."""
    web_concurrency: int = Field(default=2, ge=1)
    """Processes of one server."""
    bind: str = "127.0.0.1:8000"
    """Where the server listens."""
