"""Run the whole service on this machine, until Ctrl-C or SIGTERM.

DATABASE_URL and REDIS_URL name your own PostgreSQL and Redis; without them, each is
started from its wheel, empty, and is gone at the end. PORT is the server's port.
"""

import contextlib
import os
import secrets
import signal
import sys
import time
from email.message import Message

import httpx2

from dev import mail, postgres, processes, valkey
from dev.keeper import Program


def tell(message: Message) -> None:
    """Print that a mail arrived."""
    print(f"Mail to {message['To']}: {message['Subject']}", flush=True)


def start(stack: contextlib.ExitStack) -> list[tuple[str, Program]]:
    """Start what is missing, migrate, and start the service; return its processes."""
    environment = {**os.environ}
    if not environment.get("DATABASE_URL"):
        environment["DATABASE_URL"] = stack.enter_context(postgres.running()).url(
            "postgres"
        )
    if not environment.get("REDIS_URL"):
        environment["REDIS_URL"], _ = stack.enter_context(valkey.running())
    if not environment.get("SMTP_HOST"):
        port = stack.enter_context(mail.running(mail.Inbox(tell)))
        environment |= {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(port)}
    environment.setdefault("TOKEN_KEY", secrets.token_urlsafe(32))
    processes.migrate(environment["DATABASE_URL"])
    port = int(environment.get("PORT", "8000"))
    url = f"http://127.0.0.1:{port}"
    # The server has the processors to itself until it answers.
    running = [("server", stack.enter_context(processes.gunicorn(environment, port)))]
    wait_until_ready(url, running)
    running += [
        ("worker", stack.enter_context(processes.worker(environment))),
        ("relay", stack.enter_context(processes.relay(environment))),
        ("scheduler", stack.enter_context(processes.scheduler(environment))),
    ]
    print(f"The service is on {url}, and its documentation on {url}/docs")
    print("Ctrl-C ends it.", flush=True)
    return running


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
