"""Run the whole service on this machine, until Ctrl-C or SIGTERM.

DATABASE_URL and REDIS_URL name your own PostgreSQL and Redis; without them, each is
started from its wheel, empty, and is gone at the end. PORT is the server's port.
Your own database is never migrated.
"""

import contextlib
import os
import secrets
import signal
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from email.message import Message

import asyncpg
import httpx2

from accounts.tokens import READ, WRITE, mint
from dev import mail, postgres, processes, valkey
from dev.keeper import Program

OPERATOR, HOUR = 2**62, timedelta(hours=1)
"""An operator who is no user."""


def tell(message: Message) -> None:
    """Print that a mail arrived."""
    print(f"Mail to {message['To']}: {message['Subject']}", flush=True)


def start(stack: contextlib.ExitStack) -> list[tuple[str, Program]]:
    """Start what is missing, migrate, and start the service; return its processes."""
    environment = {**os.environ}
    if environment.get("DATABASE_URL"):
        check_schema(environment)
    else:
        url = stack.enter_context(postgres.running()).url("postgres")
        environment["DATABASE_URL"] = url
        processes.migrate(url)
    if not environment.get("REDIS_URL"):
        environment["REDIS_URL"], _ = stack.enter_context(valkey.running())
    if not environment.get("SMTP_HOST"):
        port = stack.enter_context(mail.running(mail.Inbox(tell)))
        environment |= {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(port)}
    own_key = not environment.get("TOKEN_KEY")
    if own_key:
        environment["TOKEN_KEY"] = secrets.token_urlsafe(32)
    port = int(environment.get("PORT", "8000"))
    url = f"http://127.0.0.1:{port}"
    # The server has the processors to itself until it answers.
    running = [("server", stack.enter_context(processes.gunicorn(environment, port)))]
    wait_until_ready(url, running)
    others = {name: told for name, told in environment.items() if name != "TOKEN_KEY"}
    running += [
        ("worker", stack.enter_context(processes.worker(others))),
        ("relay", stack.enter_context(processes.relay(others))),
        ("scheduler", stack.enter_context(processes.scheduler(others))),
    ]
    if own_key:
        token = mint(environment["TOKEN_KEY"], OPERATOR, HOUR, [READ, WRITE])
        print(f"For an hour, an operator's token is {token}")
    print(f"The service is on {url}, and its documentation on {url}/docs")
    print("Ctrl-C ends it.", flush=True)
    return running


def check_schema(environment: Mapping[str, str]) -> None:
    """End the run where a database of the reader's own is not as the code needs it.

    A migration may drop what another release reads, so nobody runs one by the way.
    """
    url = environment.get("DIRECT_DATABASE_URL") or environment["DATABASE_URL"]
    try:
        lacks = processes.missing(url)
    except (LookupError, ValueError) as error:
        raise SystemExit(f"DATABASE_URL: {error}") from None
    except (OSError, asyncpg.PostgresError) as error:
        raise SystemExit(f"DATABASE_URL: {type(error).__name__}") from None
    if lacks:
        told = "".join(f"\n  {revision}" for revision in lacks)
        raise SystemExit(
            f"Your database was left as it is. It lacks these migrations:{told}\n"
            "Read in README.md which may run now, then `alembic upgrade` to it."
        )


def wait_until_ready(url: str, running: list[tuple[str, Program]]) -> None:
    """Return once the server answers."""
    limit = time.monotonic() + 30
    while time.monotonic() < limit:
        with contextlib.suppress(httpx2.TransportError):
            if httpx2.get(f"{url}/readyz").is_success:
                return
        check(running)
        time.sleep(0.05)
    raise SystemExit("The server does not answer.")


def check(running: list[tuple[str, Program]]) -> None:
    """End the run when one of the processes has ended."""
    for name, program in running:
        if not program.runs():
            raise SystemExit(f"The {name} ended.")


def main() -> None:
    """Run until told to stop; stop in the reverse order."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's `&` ignores the first
        signal.signal(number, signal.default_int_handler)
    with contextlib.ExitStack() as stack, contextlib.suppress(KeyboardInterrupt):
        stack.callback(print, "Ended.", flush=True)
        running = start(stack)
        while True:
            check(running)
            time.sleep(0.2)
    sys.exit(0)


if __name__ == "__main__":
    main()
