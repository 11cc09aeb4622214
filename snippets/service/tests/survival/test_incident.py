"""What an operator asks in the first minutes of an incident."""

import os
import re
import subprocess
import sys
from pathlib import Path

from accounts.database import Sessions
from dev import processes
from dev.ports import free_port
from tests.survival.conftest import Environment, serving, wait_until
from tests.survival.test_copies import ask
from tests.system import require
from tests.test_backlog import fill

require("alerts")
PLANTED = "tests.survival.planted:create_app"


def run(environment: Environment) -> "subprocess.CompletedProcess[str]":
    """Run the commands as an operator does."""
    return subprocess.run(
        ["sh", "-eu", "deploy/first_minutes.sh"],
        cwd=processes.ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )


# --8<-- [start:minutes]
async def test_each_command_of_the_first_minutes_answers(
    environment: Environment, sessions: Sessions, tmp_path: Path
) -> None:
    await fill(sessions, 1, "SMTPDataError 550")
    port, log = str(free_port()), tmp_path / "relay.log"
    told = environment | {"PLANTED": "s3cret", "MONITOR_BIND": f"127.0.0.1:{port}"}
    with (
        log.open("wb") as output,
        processes.relay(told, output),
        serving(processes.uvicorn, told, tmp_path, app=PLANTED) as server,
    ):
        wait_until(lambda: ask(port, "/healthz"), log.read_text)
        with server.client() as client:
            assert client.get("/planted").status_code == 500
        told["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), told["PATH"]])
        told |= {"SERVER": server.url, "RELAY": f"http://127.0.0.1:{port}"}
        done = run(told)
    assert done.returncode == 0, done.stderr
    for told_of in (
        r'"status":"ok"',
        r'^http_requests_total{.*route="/planted",status="500"} 1.0',
        r"^outbox_set_aside 1.0",
        r'^{"status": "ok"}',
        r"^\w+ \(head\)",
        r'^{.*"error": "SMTPDataError 550"',
    ):
        assert re.search(told_of, done.stdout, re.MULTILINE), told_of


# --8<-- [end:minutes]
