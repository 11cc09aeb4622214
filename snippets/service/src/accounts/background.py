"""How a process looks for work again and again, until it is told to stop."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable

import structlog

from accounts import logs, metrics
from accounts.config import Settings
from accounts.database import is_unreachable, root
from accounts.monitor import Pulse, serving

Turn = Callable[[], Awaitable[bool]]
"""Looks for work and does it; tells whether there is more at once."""
log = structlog.get_logger()


# --8<-- [start:repeat]
async def repeat(
    turn: Turn,
    stopped: asyncio.Event,
    interval: float,
    pulse: Pulse,
    away: tuple[type[Exception], ...] = (),
) -> None:
    """Take turns until told to stop, whatever is away meanwhile.

    `away` are errors that say so, beside those of the database. All else is a bug, and
    is raised.
    """
    while not stopped.is_set():
        pulse.beat()
        more = False
        try:
            more = await turn()
            metrics.TURNS.labels("ok").inc()
        except Exception as error:
            if not isinstance(error, away) and not is_unreachable(error):
                raise
            part = "broker" if isinstance(error, away) else "database"
            metrics.TURNS.labels(f"{part}_unreachable").inc()
            event = f"{part}_unreachable"
            log.warning(event, error=type(root(error)).__name__)
        if not more:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), interval)


# --8<-- [end:repeat]


# --8<-- [start:run]
async def run(
    name: str,
    until: Callable[[asyncio.Event, Settings, Pulse], Awaitable[None]],
    settings: Settings,
) -> None:
    """Run until SIGTERM or SIGINT, then end after the turn at hand.

    A bug is logged like all else, and ends the process with status 1.
    """
    logs.configure()
    stopped, pulse = asyncio.Event(), Pulse()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    try:
        with serving(settings, pulse.is_well):
            await until(stopped, settings, pulse)
    except Exception:
        event = f"{name}_failed"
        log.exception(event)
        raise SystemExit(1) from None


# --8<-- [end:run]
