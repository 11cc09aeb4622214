"""What the page on the service says: its own tests show it, and a run of it in another folder."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tomllib
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from snippets.drawing import connections
from tests.engine.pages import DOCS, RefusedError
from tests.parts import clock, pictures
from tests.parts.server import free_port
from tests.parts.service import BIN, SERVICE
from tests.prove import pythons
from tests.prove.sentences import sentences

Holds = Callable[[], None]
README = (SERVICE / "README.md").read_text()
PROCESSES = {
    "gunicorn": "server",
    "accounts.relay": "relay",
    "celery": "worker",
    "accounts.scheduler": "scheduler",
}
PARTS = {"postgres": "PostgreSQL", "valkey-server": "Valkey", "mail": "mail server"}
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "htmlcov", "*.egg-info")
Ends = dict[str, list[str]]


INSTRUCTIONS = [
    "Read the whole list in snippets/service/README.md, and how to deploy and release the service.",
    "Run it",
    "Copy it",
    "Start a project from the service, which has your name everywhere.",
    "Look up a function",
]


@pytest.mark.holds(
    "A user and the message that asks for the welcome are stored in one transaction."
)
@pytest.mark.service("tests/test_passing.py::test_a_creation_that_is_tried_again_is_one")
def test_a_user_and_its_message_are_stored_together(service: Holds) -> None:
    service()


@pytest.mark.holds("A message that comes twice is dropped.")
@pytest.mark.service("tests/test_worker.py::test_a_message_that_comes_twice_sends_one_mail")
def test_a_message_counts_once(service: Holds) -> None:
    service()


@pytest.mark.holds(
    "A mail may come twice, with the same Message-ID, when nobody knows what became of the first."
)
@pytest.mark.service("tests/survival/test_worker.py::test_a_killed_worker_loses_nothing")
def test_a_mail_may_come_twice(service: Holds) -> None:
    service()
    killed = (SERVICE / "tests/survival/test_worker.py").read_text()
    assert 'mail["Message-ID"]) for mail in inbox.mails' in killed
    assert "with the same `Message-ID`" in README and "or the worker died." in README


@pytest.mark.holds("A message that fails is tried again, ever later.")
@pytest.mark.service("tests/test_worker.py::test_each_try_is_later_than_the_one_before")
def test_a_message_is_tried_again(service: Holds) -> None:
    service()


@pytest.mark.holds(
    "Without the database, a user that the cache holds is still read, and requests that need the database are answered 503."
)
@pytest.mark.service(
    "tests/test_outage.py::TestAway::test_requests_are_answered_503",
    "tests/test_outage.py::TestAwayAndCached::test_a_user_that_the_cache_holds_is_read",
)
def test_requests_are_answered_503(service: Holds) -> None:
    service()
    assert "a user that the cache holds is still read" in README
    assert "requests that need the database are answered 503." in README


@pytest.mark.holds(
    "Without the database, the health check for readiness, /readyz, fails, and the one for liveness, /healthz, doesn't."
)
@pytest.mark.service("tests/test_outage.py::TestAway::test_it_lives_but_is_not_ready")
def test_a_server_without_its_database_lives_but_is_not_ready(service: Holds) -> None:
    service()
    assert "readiness, `/readyz`, fails" in README and "liveness, `/healthz`, doesn't" in README


@pytest.mark.holds("A user may read and change itself.")
@pytest.mark.service("tests/test_access.py::test_what_a_token_is_good_for")
def test_a_token_is_good_for_its_user(service: Holds) -> None:
    service()


@pytest.mark.holds("No log line holds a secret of the settings, a token, or an e-mail address.")
@pytest.mark.service("tests/test_logs.py::test_a_value_is_hidden_wherever_it_is")
def test_the_log_hides_what_is_secret(service: Holds) -> None:
    service()


@pytest.mark.holds(
    "What it promises",
    "What it leaves to you",
    "Nobody logs in here: tokens come from whoever holds the key that signs.",
    "Mail goes to SMTP_HOST without login and TLS, so that must be a relay of your own.",
)
def test_the_service_says_the_same_of_itself() -> None:
    said = sentences(DOCS / "service.md")
    for heading in ("What it promises", "What it leaves to you"):
        section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0].replace("`", "")
        told = [one.text for one in said if one.heading == heading and one.text != heading]
        agreed = [text for text in told if text in section]
        assert len(agreed) >= len(told) - 1 >= 3, set(told) - set(agreed)
    mail = (SERVICE / "src/accounts/mail.py").read_text()
    assert "smtp_host" in mail and not re.search(r"starttls|\.login\(|SMTP_SSL", mail)
    assert "SMTP_HOST" in README
    routes = [path.read_text() for path in (SERVICE / "src/accounts/api").glob("*.py")]
    assert not re.search(r"post\(\s*\"/(?:login|token|session)", "".join(routes))
    assert not re.search(r"jwt\.encode|\bmint\b", "".join(routes))


@pytest.mark.holds("A message that was set aside waits until you send it again.")
@pytest.mark.service("tests/test_backlog.py::test_what_was_set_aside_is_listed_and_sent_again")
def test_what_was_set_aside_waits(service: Holds) -> None:
    service()


@pytest.mark.holds(
    "VERIFY_URL is a page of yours: it finds user and token in its address, and sends the token.",
)
@pytest.mark.service("tests/test_verification.py::test_the_link_in_the_mail_confirms_the_address")
def test_the_link_of_the_mail_is_a_page_of_yours(service: Holds) -> None:
    service()
    assert "`VERIFY_URL` is a page of yours: it finds `user` and `token`" in README


@pytest.mark.holds("The relay hands each message over from PostgreSQL to Valkey.")
@pytest.mark.service("tests/test_relay.py::test_a_message_is_handed_over_once")
def test_the_relay_hands_messages_over(service: Holds) -> None:
    service()


@pytest.mark.holds("The scheduler forgets users who confirmed no address.")
@pytest.mark.service(
    "tests/test_verification.py::test_only_those_who_were_asked_and_never_confirmed_are_forgotten",
    "tests/test_verification.py::test_it_runs_as_a_process_does",
)
def test_the_scheduler_forgets(service: Holds) -> None:
    service()


@pytest.mark.holds("You need Python 3.11 to 3.13, and make.")
def test_what_it_needs() -> None:
    project = tomllib.loads((SERVICE / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11"
    assert pythons.named() == "Python 3.11 to 3.13"
    assert "You need Python 3.11 to 3.13, and make." in README


class Run:
    """A run of a copy of the service, by `make run` where nothing else of this project is."""

    def __init__(self, make: subprocess.Popen[str], port: int, mail: socket.socket) -> None:
        self.make, self.port, self.mail = make, port, mail
        self.ends: Ends = {name: [] for name in PROCESSES.values()}

    def said_until(self, words: str) -> str:
        """Return what it says, to a line with some words or to its end."""
        assert self.make.stdout
        said = ""
        for line in self.make.stdout:
            said += line
            if words in line:
                break
        return said

    def started(self) -> list[psutil.Process]:
        """Return the processes that it started."""
        return psutil.Process(self.make.pid).children(recursive=True)

    def look(self) -> bool:
        """Note who is connected to what; tell whether each process is connected by now."""
        parts, found = {self.mail.getsockname()[1]: "mail server"}, list[tuple[str, int]]()
        for process in self.started():
            try:
                name, command = process.name(), " ".join(process.cmdline())
                sockets = process.net_connections("inet")
            except psutil.Error:
                continue  # it has ended
            known = next((told for word, told in PROCESSES.items() if word in command), None)
            for one in sockets:
                if one.status == psutil.CONN_LISTEN and name in PARTS:
                    parts[one.laddr.port] = PARTS[name]
                elif known and name not in PARTS and one.raddr:
                    found.append((known, one.raddr.port))
        for known, port in found:
            if port in parts and parts[port] not in self.ends[known]:
                self.ends[known].append(parts[port])
        return all(self.ends.values())


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """The service, run where nothing else of this project is, while its mail server keeps silent."""
    if not BIN.exists():
        reason = "the service's environment isn't there"
        raise RefusedError(SERVICE / "Makefile", 1, reason, "Run `make .venv/service/ready`")
    copy = tmp_path / "accounts"
    shutil.copytree(SERVICE, copy, ignore=LEFT_OUT)
    port = free_port()
    kept = {
        name: told for name, told in os.environ.items() if not re.match("PYTEST|MAKE|MFLAGS", name)
    }
    with socket.create_server(("127.0.0.1", 0)) as mail:
        more = {"PORT": str(port), "SMTP_HOST": "127.0.0.1", "WEB_CONCURRENCY": "1"}
        more |= {"SMTP_PORT": str(mail.getsockname()[1]), "PYTHONPATH": f"{copy}/src:{copy}"}
        with subprocess.Popen(
            ["make", "run", f"BIN={BIN}", "READY="],
            cwd=copy,
            env=kept | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as make:
            try:
                yield Run(make, port, mail)
            finally:
                make.terminate()


@pytest.mark.holds(
    "The service",
    "This service stores users over HTTP, and sends each a welcome e-mail in the background.",
    "Its folder, snippets/service, needs nothing else of this project.",
    "The server answers clients.",
    "The worker takes it from there, and sends the e-mail.",
    "The connections of each process while a welcome e-mail is on its way.",
    "In snippets/service, make run starts all parts and prints the address.",
    "Ctrl-C ends them.",
)
@pytest.mark.proves("data/parts.json")
def test_a_copy_runs_alone(run: Run, pytestconfig: pytest.Config) -> None:
    said = run.said_until("Ctrl-C ends it.")
    assert f"The service is on http://127.0.0.1:{run.port}" in said
    user = json.dumps({"email": "ann@example.org", "display_name": "Ann"}).encode()
    headers = {"Content-Type": "application/json"}
    url = f"http://127.0.0.1:{run.port}/users"
    with urllib.request.urlopen(urllib.request.Request(url, user, headers)) as answer:
        assert answer.status == 201
    asked, _ = run.mail.accept()  # somebody sends the mail, and waits for a greeting
    with asked:
        clock.wait(run.look)
        assert "mail server" in run.ends["worker"]
        fresh = {name: sorted(ends, key=[*PARTS.values()].index) for name, ends in run.ends.items()}
    pictures.hold_data("data/parts", fresh, dict, fresh, pytestconfig.option.update_examples)
    started = run.started()
    started[0].send_signal(signal.SIGINT)
    assert run.said_until("Ended.").splitlines()[-1] == "Ended."
    assert run.make.wait() == 0
    assert not psutil.wait_procs(started)[1]


@pytest.mark.holds(
    "The parts",
    "Connections of the service's processes",
    "From server to PostgreSQL, Valkey. From relay to PostgreSQL, Valkey. From worker to PostgreSQL, Valkey, mail server. From scheduler to PostgreSQL.",
)
def test_the_picture_is_drawn_from_the_data(pytestconfig: pytest.Config) -> None:
    updating = pytestconfig.option.update_examples

    def draw(told: Ends) -> str:
        return connections("Connections of the service's processes", told)

    pictures.hold_picture("data/parts", draw, updating)
    drawn = draw({"relay": ["Valkey"], "worker": ["Valkey", "mail server"]})
    assert drawn.count("<path ") == 3
    assert "<desc>From relay to Valkey. From worker to Valkey, mail server.</desc>" in drawn
