"""One JSON object a line on standard output, whoever writes it."""

import logging.config
from typing import TypedDict

import structlog
from structlog.tracebacks import ExceptionDictTransformer

# --8<-- [start:processors]
# A frame's local variables may hold a password, so tracebacks are written without.
TRACEBACKS = structlog.processors.ExceptionRenderer(
    ExceptionDictTransformer(show_locals=False, use_rich=False)
)
SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    TRACEBACKS,
]
# --8<-- [end:processors]


class LogConfig(TypedDict):
    """What `logging.config.dictConfig` takes, as far as it is used here."""

    version: int
    disable_existing_loggers: bool
    formatters: dict[str, dict[str, object]]
    handlers: dict[str, dict[str, str]]
    loggers: dict[str, dict[str, object]]
    root: dict[str, object]


def config() -> LogConfig:
    """Return the configuration of the standard library's loggers."""
    quiet: dict[str, object] = {"level": "WARNING", "handlers": [], "propagate": True}
    plain = {"level": "INFO", "handlers": [], "propagate": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": [
                    *SHARED,
                    structlog.stdlib.PositionalArgumentsFormatter(),
                ],
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.JSONRenderer(),
                ],
            }
        },
        "handlers": {
            "stdout": {
                "class": "logging.StreamHandler",
                "formatter": "json",
                "stream": "ext://sys.stdout",
            }
        },
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
    """Write what the service logs, and what libraries log, in one form."""
    logging.config.dictConfig(dict(config()))
    logging.captureWarnings(True)
    structlog.configure(
        processors=[*SHARED, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(),
    )
