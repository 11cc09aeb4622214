"""The image, built from the Dockerfile by buildah and run by podman."""

import http.client
import json
import os
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dev.containers import Containers, CommandError, index_options, missing, storage
from dev.ports import free_port
from dev.postgres import Postgres
from dev.processes import ROOT
from tests.conftest import TOKEN_KEY
from tests.fixtures.sample_data import ANN

pytestmark = pytest.mark.timeout(300)  # the build alone takes 20 s on a slow machine

SKIPPED = "NO IMAGE TESTS:"
LOCKED_DOWN = [
    *["--read-only", "--read-only-tmpfs=false", "--tmpfs=/tmp"],
    *["--cap-drop=all", "--security-opt=no-new-privileges"],
]
USER = "10001"


@dataclass
class Image:
    """The image that was built, and where its base came from."""

    containers: Containers
    base: str
    name: str = "localhost/accounts"

    def tell(self, script: str) -> Any:
        """Run a script by the image's Python; return the JSON that it prints."""
        command = ["podman", "run", "--rm", "--network=none", *LOCKED_DOWN, self.name]
        return json.loads(self.containers.tell(*command, "python3", "-c", script))


@dataclass
class Service:
    """A container that serves."""

    containers: Containers
    name: str
    port: int

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection of its own, which gives up after ten seconds."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)

    def get(self, path: str) -> int:
        """Return the status of an answer."""
        with closing(self.connect()) as connection:
            connection.request("GET", path)
            return connection.getresponse().status

    def wait(self) -> None:
        """Return once it answers; fail with its log when it ended, or after 30 s."""
        limit = time.monotonic() + 30
        while self.runs() and time.monotonic() < limit:
            with suppress(ConnectionError):
                assert self.get("/healthz") == 200
                return
            time.sleep(0.1)
        raise AssertionError(f"the container doesn't answer: {self.log()}")

    def runs(self) -> bool:
        """Tell whether it has not ended."""
        told = ["inspect", "--format={{.State.Running}}", self.name]
        return self.containers.tell("podman", *told) == "true"

    def log(self) -> str:
        """Return what it wrote."""
        return self.containers.tell("sh", "-c", "podman logs $0 2>&1", self.name)

    def execute(self, script: str) -> Any:
        """Run a script in the container; return the JSON that it prints."""
        command = ["podman", "exec", self.name, "python3", "-c", script]
        return json.loads(self.containers.tell(*command))


def refuse(reason: str) -> None:
    """Fail where the tests are required, as in CI; else skip them."""
    if os.environ.get("REQUIRE_IMAGE"):
        raise AssertionError(f"The image is required here: {reason}")
    pytest.skip(f"{SKIPPED} {reason}")  # CI requires them


@pytest.fixture(scope="module")
def containers() -> Iterator[Containers]:
    """A storage for images and containers, gone afterwards."""
    if absent := missing():
        refuse(f"install the package {' and the package '.join(absent)}")
    with storage() as containers:
        yield containers


@pytest.fixture(scope="module")
def image(containers: Containers, tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The image of this folder, to which files were added that it must not hold."""
    context = tmp_path_factory.mktemp("image") / "context"
    shutil.copytree(ROOT, context, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    shutil.copy(ROOT / ".dockerignore", context)
    for name in (".env", "src/accounts/.env", "alembic/__pycache__/env.cpython-311.pyc"):
        (context / name).parent.mkdir(exist_ok=True)
        (context / name).write_text("planted")
    (context / "gunicorn.conf.py").chmod(0o600)
    pinned = re.search(r"^ARG BASE=(.*)", (ROOT / "Dockerfile").read_text(), re.M)
    assert pinned
    base, origin = containers.base(pinned[1])
    try:
        containers.choose_runtime(base)
    except CommandError as error:
        refuse(f"no container can run here: {error}")
    image = Image(containers, origin)
    options = [f"--build-arg=BASE={base}", *index_options(containers.folder)]
    containers.build(image.name, context, *options)
    return image


@pytest.fixture
def service(image: Image, database_url: str, redis_url: str) -> Iterator[Service]:
    """A container of the image that answers, on a port of the loopback interface."""
    port = free_port()
    environment = {
        "BIND": f"127.0.0.1:{port}",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "TOKEN_KEY": TOKEN_KEY,
    }
    with image.containers.running(image.name, *LOCKED_DOWN, **environment) as name:
        service = Service(image.containers, name, port)
        service.wait()
        yield service


def test_its_base_is_pinned_by_digest() -> None:
    bases = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.M)
    assert set(bases) == {"${BASE}"}
    assert re.search(
        r"^ARG BASE=[a-z0-9./-]+:[\w.-]+@sha256:[0-9a-f]{64}$",
        (ROOT / "Dockerfile").read_text(),
        re.M,
    )


def test_it_holds_what_is_locked_and_what_the_dockerfile_names(
    image: Image, record_property: Callable[[str, object], None]
) -> None:
    record_property("base image", image.base)
    found = image.tell("""
import importlib.metadata, json, pathlib, platform, sysconfig
venv = sysconfig.get_path("purelib")
print(json.dumps({
    "packages": [d.name for d in importlib.metadata.distributions(path=[venv])],
    "files": [str(path) for path in pathlib.Path().rglob("*") if path.is_file()],
    "planted": [str(p) for p in pathlib.Path(venv).rglob("accounts/.env")],
    "python": platform.python_version(),
}))""")
    python = {"python_full_version": found["python"]}
    lock = (ROOT / "requirements.txt").read_text()
    locked = map(Requirement, re.findall(r"^(\w\S+==.*?) \\$", lock, re.M))
    packages = {
        wanted.name
        for wanted in locked
        if wanted.marker is None or wanted.marker.evaluate(python)
    }
    assert set(map(canonicalize_name, found["packages"])) == {"accounts", *packages}
    alembic = {str(p.relative_to(ROOT)) for p in (ROOT / "alembic").rglob("*.[pm]*[yo]")}
    assert set(found["files"]) == {"alembic.ini", "gunicorn.conf.py", *alembic}
    assert not found["planted"]


def test_its_user_owns_and_changes_nothing(image: Image) -> None:
    writable = image.tell("""
import json, os, pathlib
def others_may(path):
    found = path.lstat()
    return found.st_uid == os.getuid() or found.st_mode & 0o022
outside = {"dev", "proc", "run", "sys", "tmp"}
tops = [path for path in pathlib.Path("/").iterdir() if path.name not in outside]
print(json.dumps([
    str(path) for top in tops for path in [top, *top.rglob("*")]
    if not path.is_symlink() and others_may(path)
]))""")
    assert writable == []


def test_it_serves_as_an_ordinary_user_on_a_read_only_root(service: Service) -> None:
    told = service.execute("""
import errno, json, os
def write(folder):
    try:
        os.close(os.open(f"{folder}/file", os.O_CREAT | os.O_WRONLY))
    except OSError as error:
        return errno.errorcode[error.errno]
status = dict(line.split(":", 1) for line in open("/proc/1/status"))
print(json.dumps({
    "users": status["Uid"].split(), "groups": status["Gid"].split(),
    "rights": int(status["CapEff"], 16), "new_rights": status["NoNewPrivs"].strip(),
    "write": {name: write(name) for name in ("", "/app", "/opt/venv", "/run", "/tmp")},
}))""")
    assert told == {
        "users": [USER] * 4,
        "groups": [USER] * 4,
        "rights": 0,
        "new_rights": "1",
        "write": dict.fromkeys(["", "/app", "/opt/venv", "/run"], "EROFS") | {"/tmp": None},
    }
    assert service.get("/readyz") == 200
    assert service.get("/metrics") == 200
    service.containers.tell("podman", "healthcheck", "run", service.name)


def test_without_an_answer_it_is_unhealthy(image: Image) -> None:
    bind = f"127.0.0.1:{free_port()}"
    asleep = ["python3", "-c", "import time; time.sleep(60)"]
    with image.containers.running(image.name, command=asleep, BIND=bind) as name:
        with pytest.raises(CommandError, match="ConnectionRefused|unhealthy"):
            image.containers.tell("podman", "healthcheck", "run", name)


def test_it_migrates_a_database(image: Image, server: Postgres) -> None:
    server.tell("CREATE DATABASE image")
    environment = f"--env=DATABASE_URL={server.url('image')}"
    migrate = "alembic upgrade head && alembic current"
    run = ["podman", "run", "--rm", "--network=host", *LOCKED_DOWN, environment]
    said = image.containers.tell(*run, image.name, "sh", "-c", migrate)
    assert said.endswith("(head)")


# --8<-- [start:drain]
def test_it_drains_on_sigterm(service: Service) -> None:
    body = json.dumps(ANN).encode()
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Expect": "100-continue",
    }
    with closing(service.connect()) as stream, closing(service.connect()) as creation:
        stream.request("GET", "/users/events")
        events = stream.getresponse()
        creation.request("POST", "/users", headers=headers)
        assert creation.sock.recv(1, socket.MSG_PEEK)  # it waits for the body
        service.containers.tell("podman", "kill", "--signal=TERM", service.name)
        events.read()  # which raises unless the stream ends in order
        creation.send(body)
        assert creation.getresponse().status == 201
    status = service.containers.tell("podman", "wait", service.name)
    assert status == "0", service.log()


# --8<-- [end:drain]
