"""Record what Prometheus reads of a release: `python -m dev.record`.

It writes `tests/fixtures/releases.json`, from which the tests of the queries in
`deploy/` take their series. Server, worker, relay and their parts run as in production,
and each reading stands for the 30 seconds after the one before.
"""

import json
import os
import secrets
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from accounts.tokens import READ, WRITE, mint
from dev import mail, postgres, processes, valkey
from dev.folders import temporary
from dev.keeper import Program
from dev.ports import free_port

FILE = processes.ROOT / "tests/fixtures/releases.json"
READINGS = 41
KEPT = ("http_request", "worker_tries", "process_peak")
FAULTS = {
    "api/handlers.py": [
        (
            "    return UserRead.model_validate(await users.get(user_id))",
            "    SEEN.append(bytes(30_000))\n"
            "    if len(SEEN) % 20 == 0:\n"
            '        raise RuntimeError("a bug")\n'
            "    return UserRead.model_validate(await users.get(user_id))",
        ),
        (
            "    rows = await users.page(after, limit + 1)",
            "    LISTED.append(after)\n"
            "    if len(LISTED) % 6 == 0:\n"
            "        await asyncio.sleep(0.6)\n"
            "    rows = await users.page(after, limit + 1)",
        ),
        ("import contextlib\n", "import asyncio\nimport contextlib\n"),
        ("ReadAll = ", "SEEN, LISTED = list[bytes](), list[int]()\nReadAll = "),
    ]
}
"""What is wrong in the bad release: errors, slow answers, memory that only grows."""


def bad(folder: Path) -> str:
    """Copy the code, put the faults into it, and return where it is."""
    source = shutil.copytree(processes.ROOT / "src", folder / "src")
    for name, faults in FAULTS.items():
        file = source / "accounts" / name
        text = file.read_text()
        for right, wrong in faults:
            if text.count(right) != 1:
                raise LookupError(right)
            text = text.replace(right, wrong)
        file.write_text(text)
    return str(source)


class Release:
    """The processes of one release, and who asks them."""

    def __init__(self, stack: ExitStack, source: str, *, mails: bool) -> None:
        key, folder = secrets.token_urlsafe(32), stack.enter_context(temporary("tests"))
        url = stack.enter_context(postgres.running()).url("postgres")
        processes.migrate(url)
        smtp = stack.enter_context(mail.running(mail.Inbox()))
        port, self.monitor = free_port(), free_port()
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{source}:{processes.ROOT}",
            "TMPDIR": str(folder),
            "DATABASE_URL": url,
            "REDIS_URL": stack.enter_context(valkey.running())[0],
            "TOKEN_KEY": key,
            "RELAY_INTERVAL": "0.05",
            "MAIL_LIMIT": "1000000/second",
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(smtp if mails else free_port()),
        }
        token = mint(key, 2**62, timedelta(hours=1), [READ, WRITE])
        log = stack.enter_context((folder / "log").open("wb"))
        stack.enter_context(processes.gunicorn(environment, port, log))
        stack.enter_context(processes.relay(environment, log))
        watched = {**environment, "MONITOR_BIND": f"127.0.0.1:{self.monitor}"}
        self.worker: Program = stack.enter_context(processes.worker(watched, log))
        self.client = stack.enter_context(
            httpx2.Client(
                base_url=f"http://127.0.0.1:{port}",
                headers={"Authorization": f"Bearer {token}"},
            )
        )
        self.asked = 0
        while not (self.told("server") and self.told("worker")):
            time.sleep(0.1)  # it starts

    def told(self, job: str) -> str:
        """Return the metrics of a process, or nothing if it doesn't answer."""
        worker = f"http://127.0.0.1:{self.monitor}/metrics"
        try:
            return str(self.client.get(worker if job == "worker" else "/metrics").text)
        except httpx2.TransportError:
            return ""

    def ask(self, requests: int) -> None:
        """Send requests as users do, and as what looks whether it is well."""
        for _ in range(requests):
            self.asked += 1
            number = self.asked // 10 + 1
            match self.asked % 10:
                case 1:
                    name, address = f"User {number}", f"{number}@example.com"
                    user = {"email": address, "display_name": name}
                    self.client.post("/users", json=user)
                case 2:
                    self.client.get("/users")
                case _:
                    self.client.get(f"/users/{max(1, number - 1)}")
        for path in ("/healthz", "/readyz"):
            self.client.get(path)

    def read(self) -> Iterator[tuple[str, str]]:
        """Give each series and its value."""
        for job in ("server", "worker"):
            text = self.told(job)
            yield f'up{{job="{job}"}}', str(int(bool(text)))
            for family in text_string_to_metric_families(text):
                for sample in family.samples:
                    if sample.name.startswith(KEPT):
                        labels = {"job": job, **sample.labels}
                        pairs = (f'{name}="{told}"' for name, told in labels.items())
                        value = f"{sample.value:.6g}"
                        yield f"{sample.name}{{{','.join(pairs)}}}", value


def record(source: str, requests: int, *, is_bad: bool = False) -> dict[str, str]:
    """Run a release; return its series as promtool reads them."""
    found = dict[str, list[str]]()
    with ExitStack() as stack:
        release = Release(stack, source, mails=not is_bad)
        for reading in range(READINGS):
            for series, value in release.read():
                found.setdefault(series, ["_"] * reading).append(value)
            for values in found.values():
                values.extend(["_"] * (reading + 1 - len(values)))
            release.ask(requests)
            if is_bad and reading == READINGS - 5:
                release.worker.signal(signal.SIGTERM)
                release.worker.wait(60)
    return {series: " ".join(values) for series, values in found.items()}


def main() -> None:
    """Record the release before, a good one and a bad one."""
    source = str(processes.ROOT / "src")
    with temporary("tests") as folder:
        told = {
            "control": record(source, 80),
            "good": record(source, 40),
            "bad": record(bad(folder), 40, is_bad=True),
        }
    FILE.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
