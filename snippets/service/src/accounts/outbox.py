"""Shows what was set aside for people, and lets it be sent again.

`python -m accounts.outbox` lists it, one JSON object a line.
`python -m accounts.outbox again ID ...` or `again all` sends it again.
"""

import argparse
import asyncio
import json
from collections.abc import Sequence
from uuid import UUID

from accounts import startup
from accounts.config import Settings
from accounts.database import Sessions, create_engine, create_sessions
from accounts.repositories.outbox_repository import OutboxRepository

SHOWN = 1000
"""Messages that one list shows."""
BATCH = 1000
"""Messages that one transaction changes."""


# --8<-- [start:outbox]
async def show(sessions: Sessions) -> None:
    """Print the messages that were set aside, the oldest first."""
    async with sessions() as session:
        for message in await OutboxRepository(session).aside(SHOWN):
            print(json.dumps({**message._asdict(), "id": str(message.id)}))


async def send_again(sessions: Sessions, ids: Sequence[UUID] | None) -> int:
    """Let these messages wait like new ones, or all; return how many there were."""
    count = 0
    while True:
        async with sessions.begin() as session:
            changed = await OutboxRepository(session).send_again(ids, BATCH)
        count += changed
        if changed < BATCH:
            return count


# --8<-- [end:outbox]


async def main(arguments: Sequence[str] | None = None) -> None:
    """Do what the command line says; a wrong one ends with status 2."""
    told = parser().parse_args(arguments)
    engine = create_engine(startup.read(Settings))
    sessions = create_sessions(engine)
    try:
        if told.command == "again":
            ids = None if told.ids == ["all"] else [UUID(one) for one in told.ids]
            print(json.dumps({"sent_again": await send_again(sessions, ids)}))
        else:
            await show(sessions)
    finally:
        await engine.dispose()


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    parser = argparse.ArgumentParser("python -m accounts.outbox", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("list", help="show what was set aside; also without a command")
    again = commands.add_parser("again", help="send it again")
    again.add_argument("ids", nargs="+", type=one, metavar="ID", help="or: all")
    return parser


def one(text: str) -> str:
    """Return what names a message, or all; else raise `ValueError`."""
    return text if text == "all" else str(UUID(text))


if __name__ == "__main__":
    asyncio.run(main())
