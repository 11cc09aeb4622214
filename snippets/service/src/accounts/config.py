"""What differs from one deployment to the next, read from the environment."""

from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

SERVICE = __name__.partition(".")[0]
"""The service's name: that of its package."""


# --8<-- [start:settings]
class Settings(BaseSettings):
    """The settings of one process, each from the variable of its name in capitals.

    What has no default is required. Without it, the process ends at once with a
    `pydantic.ValidationError` that names the variable and hides the values.
    """

    model_config = SettingsConfigDict(frozen=True, hide_input_in_errors=True)

    database_url: SecretStr
    """`postgresql://user:password@host/name`, with libpq's parameters for TLS."""
    redis_url: SecretStr
    """`redis://:password@host:port/number`, for the broker and the cache."""
    token_key: SecretStr = Field(min_length=32)
    """Signs and verifies bearer tokens: 32 bytes or more, for HS256."""
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
    """Seconds after which the client gives up a statement."""
    cache_seconds: int = Field(default=60, ge=0)
    """Seconds for which a user stays in the cache; 0 turns it off."""
    body_limit: int = Field(default=65_536, gt=0)
    """Bytes of a request's body, beyond which it is answered 413."""
    request_timeout: float = Field(default=10.0, gt=0)
    """Seconds in which a client must have sent its request, head and body."""
    smtp_host: str = "127.0.0.1"
    """The host of the mail server."""
    smtp_port: int = 25
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
    scheduler_interval: float = Field(default=60.0, gt=0)
    """Seconds between two looks for jobs that are due."""
    monitor_bind: str = Field(default="", pattern=r"^([^:\s]+:\d{1,5})?$")
    """`host:port` of `/healthz` and `/metrics` of all but the server; empty: none."""
    # --8<-- [end:delivery]

    @field_validator("database_url")
    @classmethod
    def drop_the_driver(cls, url: SecretStr) -> SecretStr:
        """Accept the address as other programs write it, or as SQLAlchemy does."""
        return SecretStr(without_driver(url.get_secret_value()))

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


def without_driver(url: str) -> str:
    """Return the address of a database as libpq and asyncpg know it."""
    scheme, found, rest = url.partition("://")
    if not found or scheme.partition("+")[0] not in ("postgresql", "postgres"):
        raise ValueError("it must begin with postgresql://")  # noqa: TRY003  pydantic shows it
    return f"postgresql://{rest}"
