"""Hands messages from the outbox to the broker.

`python -m accounts.relay` does so until it is told to stop.
"""

import asyncio
from collections.abc import Iterator, Sequence
from uuid import UUID

from kombu.exceptions import OperationalError

from accounts import background, metrics, startup
from accounts.broker import Broker
from accounts.config import Settings
from accounts.database import Sessions, create_engine, create_sessions
from accounts.monitor import Pulse
from accounts.repositories.outbox_repository import OutboxRepository

BATCH = 100
"""Messages that one transaction hands over."""
OLD = 10
"""How many of these may be resends however many new messages there are."""


# --8<-- [start:relay]
async def relay(sessions: Sessions, broker: Broker, settings: Settings) -> int:
    """Hand over the messages that are due, once; return how many there were.

    New messages come first, some to a task; others go alone, since one of them may be
    what kills its worker. Nothing is handed over beyond `broker_limit` tasks that
    wait for a worker, and no resend beyond a half of it: then there is room for what
    is new. A broker that fails, or doesn't answer in time, raises `OperationalError`;
    what it took before is marked, the rest stays due.
    """
    room = settings.broker_limit - await asyncio.to_thread(broker.held)
    async with sessions() as session:
        outbox = OutboxRepository(session)
        fresh = await outbox.fresh(min(room, BATCH))
        spare = room - settings.broker_limit // 2 - len(fresh)
        again = await outbox.again(min(spare, max(BATCH - len(fresh), OLD)))
        # --8<-- [start:hand_over]
        taken = list[UUID]()
        try:
            for part in [*parts(fresh, settings.mail_at_once), *parts(again, 1)]:
                await asyncio.to_thread(broker.hand_over, part)
                taken.extend(part)
        finally:
            await outbox.mark_relayed(taken, settings.relay_retry_after)
            await session.commit()
            # --8<-- [end:hand_over]
            metrics.RELAYED.labels("first").inc(len(taken[: len(fresh)]))
            metrics.RELAYED.labels("again").inc(len(taken[len(fresh) :]))
    return len(taken)


def parts(ids: Sequence[UUID], size: int) -> Iterator[Sequence[UUID]]:
    """Give ids in parts of a size."""
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


# --8<-- [end:relay]


# --8<-- [start:forever]
async def relay_until(
    stopped: asyncio.Event, settings: Settings, pulse: Pulse | None = None
) -> None:
    """Look into the outbox again and again, whatever is away meanwhile."""
    engine, broker = create_engine(settings), Broker()
    sessions = create_sessions(engine)

    async def turn() -> bool:
        return await relay(sessions, broker, settings) >= BATCH

    interval, pulse = settings.relay_interval, pulse or Pulse()
    await background.repeat(turn, stopped, interval, pulse, (OperationalError,))
    await engine.dispose()


# --8<-- [end:forever]


async def main() -> None:
    """Relay until SIGTERM or SIGINT."""
    await background.run("relay", relay_until, startup.read(Settings))


if __name__ == "__main__":
    asyncio.run(main())
