"""Start what the blocks need, and print the variables that lead to it: `make parts`."""

import contextlib
import signal

from snippets.concurrency.clients.misbehaving import app
from tests.parts.postgres import running
from tests.parts.server import serving


def main() -> None:
    """Keep a database and the server that misbehaves, until Ctrl-C or SIGTERM."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        contextlib.suppress(KeyboardInterrupt),
        running() as postgres,
        serving(app, timeout_graceful_shutdown=0) as server,
    ):
        print(f"export DATABASE_URL=postgresql+asyncpg:{postgres.create()}")
        print(f"export UPSTREAM_URL={server.url}", flush=True)
        signal.pause()


if __name__ == "__main__":
    main()
