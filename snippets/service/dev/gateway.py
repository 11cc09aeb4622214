"""nginx before the service, as `deploy/nginx.conf` says, on a port of its own."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from dev import system
from dev.keeper import Program, kept
from dev.ports import wait_for_port
from dev.processes import ROOT

CONFIG = ROOT / "deploy/nginx.conf"


def write(folder: Path, port: int, servers: Sequence[int], limit: int = 100) -> Path:
    """Write the configuration for some ports, and for one folder."""
    text = CONFIG.read_text().replace("/tmp/", f"{folder}/")  # noqa: S108  it is replaced
    changes = {
        r"server 127\.0\.0\.1:8000;": "".join(
            f"server 127.0.0.1:{one};" for one in servers
        ),
        r"listen 127\.0\.0\.1:8080;": f"listen 127.0.0.1:{port};",
        r"limit_conn clients 100;": f"limit_conn clients {limit};",
    }
    for old, new in changes.items():
        text, found = re.subn(old, new, text)
        assert found == 1, old  # noqa: S101  the file says so
    (folder / "nginx.conf").write_text(text)
    return folder / "nginx.conf"


@contextmanager
def running(
    folder: Path, port: int, servers: Sequence[int], log: IO[bytes], limit: int = 100
) -> Iterator[Program]:
    """Run nginx before servers on some ports."""
    config = write(folder, port, servers, limit)
    nginx = system.find("nginx") or "nginx"
    command: list[str | Path] = [nginx, "-p", folder, "-c", config, "-g", "daemon off;"]
    with kept(command, log=log) as program:
        wait_for_port(port, program)
        yield program
