"""One JSON object a line on standard output, whoever writes it."""

import logging.config
import re
import sys
from collections.abc import Iterable
from types import TracebackType
from typing import TypedDict

import structlog

from accounts.tracebacks import described, unquoted

SHORTEST = 4
"""Characters of a secret that is hidden; a shorter one is in each other word."""
ADDRESS = r"[^\s@<>\"'(),;:=\\]+@(?:[\w-]+\.)+[\w-]+"
TOKEN = r"eyJ[\w-]+\.[\w-]+\.[\w-]*"  # noqa: S105  it looks for one
HIDDEN = "[hidden]"


class Mask:
    """Hides e-mail addresses, tokens, and the secrets that it was told.

    It is the last line: it sees what libraries write too, and errors that quote what
    they were given.
    """

    def __init__(self) -> None:
        self.hide(())

    def hide(self, secrets: Iterable[str]) -> None:
        """Hide these from now on, the longest first."""
        known = {secret for secret in secrets if len(secret) >= SHORTEST}
        parts = [re.escape(one) for one in sorted(known, key=len, reverse=True)]
        self.pattern = re.compile("|".join([*parts, ADDRESS, TOKEN]))

    def masked(self, value: object) -> object:
        """Return a value as the log may hold it; what it doesn't know, as text."""
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, dict):
            return {self.hidden(str(key)): self.masked(v) for key, v in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.masked(told) for told in value]
        return self.hidden(value if isinstance(value, str) else repr(value))

    def hidden(self, text: str) -> str:
        """Return a text without what it knows."""
        return self.pattern.sub(HIDDEN, text)

    def __call__(
        self, _: object, __: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        """Mask a line."""
        return {self.hidden(key): self.masked(value) for key, value in event.items()}


MASK = Mask()
hide = MASK.hide
# --8<-- [start:processors]
# A frame's local variables may hold a password, and a message may quote its input.
TRACEBACKS = structlog.processors.ExceptionRenderer(described)
SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    TRACEBACKS,
]
# --8<-- [end:processors]


class Unquoted(logging.Filter):
    """Names errors that libraries log within a sentence, without their message."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let a record pass; Celery tells an error as the text of its `repr`."""
        if isinstance(record.args, dict) and "exc" in record.args:
            kind = str(record.args["exc"]).partition("(")[0]
            record.args = {**record.args, "exc": kind}
        elif isinstance(record.args, tuple):
            record.args = tuple(map(unquoted, record.args))
        record.msg = unquoted(record.msg)
        return True


class LogConfig(TypedDict):
    """What `logging.config.dictConfig` takes, as far as it is used here."""

    version: int
    disable_existing_loggers: bool
    formatters: dict[str, dict[str, object]]
    filters: dict[str, dict[str, object]]
    handlers: dict[str, dict[str, object]]
    loggers: dict[str, dict[str, object]]
    root: dict[str, object]


def config() -> LogConfig:
    """Return the configuration of the standard library's loggers."""
    quiet: dict[str, object] = {"level": "WARNING", "handlers": [], "propagate": True}
    plain = {"level": "INFO", "handlers": [], "propagate": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        # --8<-- [start:foreign]
        "formatters": {
            "json": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": [
                    *SHARED,
                    structlog.stdlib.PositionalArgumentsFormatter(),
                ],
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    MASK,
                    structlog.processors.JSONRenderer(),
                ],
            }
        },
        "filters": {"unquoted": {"()": Unquoted}},
        "handlers": {
            "stdout": {
                "class": "logging.StreamHandler",
                "formatter": "json",
                "filters": ["unquoted"],
                "stream": "ext://sys.stdout",
            }
        },
        # --8<-- [end:foreign]
        # Each request is logged once, by the middleware.
        "loggers": {
            "gunicorn.access": quiet,
            "gunicorn.error": plain,
            "uvicorn": plain,
            "uvicorn.access": quiet,
            "uvicorn.error": plain,
        },
        "root": {"level": "INFO", "handlers": ["stdout"]},
    }


def configure() -> None:
    """Write what the service logs, what libraries log, and what ends the process."""
    logging.config.dictConfig(dict(config()))
    logging.captureWarnings(True)
    structlog.configure(
        processors=[*SHARED, MASK, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(),
    )
    sys.excepthook = log_end


def log_end(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Log what ends the process, as all else."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    structlog.get_logger().critical("process_failed", exc_info=(kind, error, trace))
