"""The image, built from the Dockerfile by buildah and run by podman."""

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dev.containers import CommandError, Containers, index_options, missing, storage
from dev.folders import MEMORY
from dev.ports import free_port
from dev.postgres import Postgres
from dev.processes import ROOT
from tests.conftest import TOKEN_KEY, database
from tests.fixtures.sample_data import ANN
from tests.survival.conftest import wait_until
from tests.system import refuse

pytestmark = pytest.mark.timeout(600)  # the first test waits for the build

if absent := missing():
    refuse("image", f"install {', '.join(absent)} to run them")

IMAGE = "localhost/accounts"
LOCKED_DOWN = [
    *["--read-only", "--read-only-tmpfs=false", "--tmpfs=/tmp"],
    *["--cap-drop=all", "--security-opt=no-new-privileges"],
]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
CAREFREE = f"""
FROM {IMAGE}
USER 0
COPY . /app
RUN ["python3", "-c", "\\
import os, shutil; \\
os.makedirs('/home/builder/bin'); \\
os.chmod('/home/builder', 0o700); \\
shutil.copy('/opt/venv/bin/gunicorn', '/home/builder/bin/gunicorn')"]
USER 10001
"""
TOOLS = """
FROM localhost/single
COPY requirements-dev.txt ./
RUN python3 -m uv pip install --python /opt/venv --no-cache --require-hashes \\
        --compile-bytecode --requirement requirements-dev.txt
"""
AWAITED = """
import signal
signal.signal(signal.SIGTERM, lambda *_: exit(0))
print("ready", flush=True)
signal.pause()
"""


@dataclass
class Image:
    """The image that was built, where its base came from, and how it was built."""

    containers: Containers
    base: str
    name: str = IMAGE
    context: Path = ROOT
    options: Sequence[str | Path] = ()

    def tell(self, script: str) -> list[str]:
        """Run a script by the image's Python; return the lines that it prints."""
        command = ["podman", "run", "--rm", "--network=none", *LOCKED_DOWN, self.name]
        return self.containers.tell(*command, "python3", "-c", script).splitlines()


@dataclass
class Service:
    """A container that serves."""

    containers: Containers
    name: str
    port: int

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection of its own, which gives up after thirty seconds."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def get(self, path: str) -> int:
        """Return the status of an answer."""
        with closing(self.connect()) as connection:
            connection.request("GET", path)
            return connection.getresponse().status

    def wait(self) -> None:
        """Return once it answers; fail with its log when it ended or took a minute."""
        limit = time.monotonic() + 60
        while self.runs() and time.monotonic() < limit:
            with suppress(OSError):
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

    def execute(self, script: str) -> list[str]:
        """Run a script in the container; return the lines that it prints."""
        command = ["podman", "exec", self.name, "python3", "-c", script]
        return self.containers.tell(*command).splitlines()


@pytest.fixture(scope="module")
def containers() -> Iterator[Containers]:
    """A storage for images and containers, gone afterwards."""
    before = set(MEMORY.glob("libpod*"))
    with storage() as containers:
        yield containers
    assert set(MEMORY.glob("libpod*")) <= before


@pytest.fixture(scope="module")
def image(containers: Containers, tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The image of this folder, to which files were added that it must not hold."""
    context = tmp_path_factory.mktemp("image") / "context"
    shutil.copytree(ROOT, context, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    shutil.copy(ROOT / ".dockerignore", context)
    for name in (
        ".env",
        "src/accounts/.env",
        "alembic/__pycache__/env.cpython-311.pyc",
    ):
        (context / name).parent.mkdir(exist_ok=True)
        (context / name).write_text("planted")
    (context / "gunicorn.conf.py").chmod(0o600)
    (pinned,) = re.findall(r"^ARG BASE=(.*)", DOCKERFILE, re.MULTILINE)
    base, origin = containers.base(pinned)
    index = able(containers, base)
    options = [f"--build-arg=BASE={base}", "--layers", *index]
    try:
        containers.build(IMAGE, context, *options)
    except CommandError:
        reach_index(containers, base, index)  # it may be gone since
        raise
    return Image(containers, origin, context=context, options=options)


def able(containers: Containers, base: str) -> list[str]:
    """Return the options that lead a build to its index.

    Where no container can run, or none reaches the index, the tests are skipped, or
    fail in CI.
    """
    try:
        containers.choose_runtime(base)
    except CommandError as error:
        refuse("image", f"no container can run here: {error}")
    index = index_options(containers.folder)
    reach_index(containers, base, index)
    return index


def reach_index(containers: Containers, base: str, options: list[str]) -> None:
    """Skip the tests where the build can't reach the index, or fail in CI."""
    try:
        containers.reach_index(base, *options)
    except ConnectionError as error:
        refuse("image", f"it can't be built, since pip reaches no index: {error}")


@pytest.fixture(scope="module")
def container(image: Image, server: Postgres, redis_url: str) -> Iterator[Service]:
    """A container of the image, on a port of the loopback interface."""
    port = free_port()
    with database(server) as url:
        environment = {
            "BIND": f"127.0.0.1:{port}",
            "DATABASE_URL": url,
            "REDIS_URL": redis_url,
            "TOKEN_KEY": TOKEN_KEY,
        }
        with image.containers.running(image.name, *LOCKED_DOWN, **environment) as name:
            yield Service(image.containers, name, port)


@pytest.fixture
def service(container: Service) -> Service:
    """The container, once it answers; it is started again if a test ended it."""
    if not container.runs():
        container.containers.tell("podman", "start", container.name)
    container.wait()
    return container


def test_podman_notices_the_end_of_a_container(containers: Containers) -> None:
    root = containers.tell("podman", "info", "--format={{.Store.RunRoot}}")
    longest = len(root) - len(str(os.getpid())) + len("4194304")
    assert longest <= 50, "podman refuses to clean up, and waits for 20 s"


def test_it_holds_the_packages_of_the_lock(
    image: Image, record_property: Callable[[str, object], None]
) -> None:
    record_property("base image", image.base)
    python, *found = image.tell("""
import importlib.metadata, platform, sysconfig
print(platform.python_version())
for package in importlib.metadata.distributions(path=[sysconfig.get_path("purelib")]):
    print(package.name)
""")
    lock = (ROOT / "requirements.txt").read_text()
    locked = map(Requirement, re.findall(r"^(\w\S+==.*?) \\$", lock, re.MULTILINE))
    there = {"python_full_version": python}
    wanted = [one for one in locked if not one.marker or one.marker.evaluate(there)]
    names = {canonicalize_name(name) for name in found}
    assert names == {canonicalize_name("accounts"), *(one.name for one in wanted)}


def test_each_stage_that_is_left_out_makes_it_smaller(
    image: Image,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    (tmp_path / "Dockerfile").write_text(TOOLS)
    shutil.copy(ROOT / "requirements-dev.txt", tmp_path)
    build = image.containers.build
    build("localhost/single", image.context, "--target=build", *image.options)
    build("localhost/tools", tmp_path, *image.options)
    base = str(image.options[0]).removeprefix("--build-arg=BASE=")

    def size(name: str) -> int:
        told = ["image", "inspect", "--format={{.Size}}", name]
        return int(image.containers.tell("podman", *told))

    added = size(image.name) - size(base)
    others = ["single", "tools"]
    ratios = [(size(f"localhost/{name}") - size(base)) / added for name in others]
    for name, ratio in zip(others, ratios, strict=True):
        record_property(name, ratio)
    assert 1 < ratios[0] < ratios[1]


def test_it_holds_no_file_that_is_not_needed(image: Image) -> None:
    found = image.tell("""
import pathlib, sysconfig
package = pathlib.Path(sysconfig.get_path("purelib"), "accounts")
for path in [*pathlib.Path().rglob("*"), *package.rglob(".*")]:
    if path.is_file():
        print(path)
""")
    migrations = [*ROOT.glob("alembic/*.*"), *ROOT.glob("alembic/versions/*.py")]
    wanted = [ROOT / "alembic.ini", ROOT / "gunicorn.conf.py", *migrations]
    assert set(found) == {str(path.relative_to(ROOT)) for path in wanted}


def test_its_user_can_change_nothing(image: Image) -> None:
    changeable = image.tell("""
import os, pathlib, stat
outside = {"dev", "proc", "run", "sys", "tmp"}
for top in [path for path in pathlib.Path("/").iterdir() if path.name not in outside]:
    for path in [top, *top.rglob("*")]:
        found = path.lstat()
        added = path.is_dir() and found.st_mode & stat.S_ISVTX  # as /var/tmp is
        others = not path.is_symlink() and not added and found.st_mode & 0o022
        if others or found.st_uid == os.getuid():
            print(path)
""")
    assert changeable == []


def test_the_base_holds_pip_and_a_shell(image: Image) -> None:
    told = image.tell("""
import os, shutil, subprocess
for command in (["sh", "-c", "echo a shell"], ["python3", "-m", "pip", "--version"]):
    path = os.environ["PATH"].removeprefix("/opt/venv/bin:")
    found = shutil.which(command[0], path=path)
    print(subprocess.check_output([found, *command[1:]], text=True).partition(" ")[0])
""")
    assert told == ["a", "pip"]


def test_it_serves_as_an_ordinary_user_on_a_read_only_root(service: Service) -> None:
    told = service.execute("""
import errno, os
status = dict(line.split(":", 1) for line in open("/proc/1/status"))
for name in ("Uid", "Gid", "CapEff", "NoNewPrivs"):
    print(name, *status[name].split())
for folder in ("/", "/app", "/opt/venv", "/run", "/tmp"):
    try:
        os.close(os.open(f"{folder}/file", os.O_CREAT | os.O_WRONLY))
        print(folder, "written")
    except OSError as error:
        print(folder, errno.errorcode[error.errno])
""")
    assert told == [
        *["Uid 10001 10001 10001 10001", "Gid 10001 10001 10001 10001"],
        *["CapEff 0000000000000000", "NoNewPrivs 1"],
        *["/ EROFS", "/app EROFS", "/opt/venv EROFS", "/run EROFS"],
        "/tmp written",  # noqa: S108  the container's own
    ]
    assert service.get("/readyz") == 200
    service.containers.tell("podman", "healthcheck", "run", service.name)


def test_without_an_answer_it_is_unhealthy(image: Image) -> None:
    bind = f"127.0.0.1:{free_port()}"
    asleep = ["python3", "-c", "import time; time.sleep(60)"]
    with (
        image.containers.running(image.name, command=asleep, BIND=bind) as name,
        pytest.raises(CommandError, match="unhealthy"),
    ):
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
@pytest.fixture(scope="module")
def carefree(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The image with all of a folder, and with its server in a home folder."""
    context = tmp_path_factory.mktemp("carefree")
    for name, text in {"Dockerfile": CAREFREE, ".env": "TOKEN_KEY=planted"}.items():
        (context / name).write_text(text)
    image.containers.build("localhost/carefree", context)
    return Image(image.containers, image.base, "localhost/carefree")


# --8<-- [start:ignored]
def test_without_a_dockerignore_a_secret_is_in_the_image(carefree: Image) -> None:
    assert carefree.tell("print(open('/app/.env').read())") == ["TOKEN_KEY=planted"]


# --8<-- [end:ignored]
# --8<-- [start:home]
def test_a_home_folder_is_closed_to_others(carefree: Image) -> None:
    run = ["podman", "run", "--rm", "--network=none"]
    server = [carefree.name, "/home/builder/bin/gunicorn", "--version"]
    assert "gunicorn" in carefree.containers.tell(*run, "--user=0", *server)
    with pytest.raises(CommandError, match="ermission denied"):
        carefree.containers.tell(*run, *server)


# --8<-- [end:home]
# --8<-- [start:root]
def test_root_could_change_the_code(image: Image) -> None:
    run = ["podman", "run", "--rm", "--network=none"]
    write = "open('/opt/venv/changed', 'w'); print('written')"
    command = [image.name, "python3", "-c", write]
    assert image.containers.tell(*run, "--user=0", *command) == "written"
    with pytest.raises(CommandError, match="Permission denied"):
        image.containers.tell(*run, *command)


# --8<-- [end:root]
# --8<-- [start:shell]
@pytest.mark.parametrize(
    ("command", "status"),
    [
        (["python3", "-c", AWAITED], "0"),
        (["sh", "-c", f"exec python3 -c '{AWAITED}'"], "0"),
        (["sh", "-c", f"python3 -c '{AWAITED}' || echo failed"], "137"),
    ],
)
def test_a_shell_keeps_the_signal(
    image: Image, command: list[str], status: str
) -> None:
    tell = image.containers.tell
    with image.containers.running(image.name, command=command) as name:
        wait_until(lambda: tell("podman", "logs", name) == "ready", seconds=60)
        patience = "2" if status == "137" else "60"
        tell("podman", "stop", f"--time={patience}", name)
        assert tell("podman", "inspect", "--format={{.State.ExitCode}}", name) == status


# --8<-- [end:shell]


@pytest.fixture(scope="module")
def installed(image: Image, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Copies of the folders of the image that hold packages."""
    found = image.tell("""
import pathlib
outside = {"dev", "proc", "run", "sys", "tmp"}
tops = [path for path in pathlib.Path("/").iterdir() if path.name not in outside]
print(*{path.parent for top in tops for path in top.rglob("*.dist-info")}, sep="\\n")
""")
    tell, copies = image.containers.tell, tmp_path_factory.mktemp("installed")
    container = tell("podman", "create", image.name)
    for number, folder in enumerate(found):
        tell("podman", "cp", f"{container}:{folder}", copies / str(number))
    tell("podman", "rm", container)
    return sorted(copies.iterdir())


class Advisories(BaseHTTPRequestHandler):
    """Knows of one fault, as OSV would tell it: that of each release of pip."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        package = asked["package"]
        fault = {
            "id": "OSV-1",
            "summary": "a fault",
            "affected": [{"package": package}],
        }
        told = {"vulns": [fault]} if package["name"] == "pip" else {}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(told).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


Audit = Callable[..., tuple[int, str]]


@pytest.fixture
def audit(tmp_path: Path) -> Iterator[Audit]:
    """Give what pip-audit ends with and says, as it asks a service of this test."""
    with HTTPServer(("127.0.0.1", 0), Advisories) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/v1/query"
        quiet = ["--progress-spinner=off", f"--cache-dir={tmp_path / 'cache'}"]
        command = [sys.executable, "-m", "pip_audit", *quiet]
        command += ["--vulnerability-service=osv", f"--osv-url={url}"]

        def run(*options: str | Path) -> tuple[int, str]:
            asked = [*command, *options]
            done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True)
            return done.returncode, done.stdout + done.stderr

        yield run
        server.shutdown()


# --8<-- [start:scan]
def test_a_scan_of_the_lock_misses_what_the_base_brings(
    installed: list[Path], audit: Audit, tmp_path: Path
) -> None:
    lock = ["--require-hashes", "--disable-pip", "--requirement=requirements.txt"]
    status, said = audit(*lock)
    assert (status, "No known vulnerabilities found" in said) == (0, True)
    folders = [f"--path={folder}" for folder in installed]
    assert audit(*folders)[0] == 1
    sbom = tmp_path / "sbom.json"
    audit(*folders, "--format=cyclonedx-json", f"--output={sbom}")
    told = {part["name"] for part in json.loads(sbom.read_text())["components"]}
    assert {"accounts", "fastapi", "pip"} <= told
    for folder in installed:
        for metadata in folder.glob("*.dist-info"):
            shutil.rmtree(metadata)
    status, said = audit(*folders)
    assert (status, "No known vulnerabilities found" in said) == (0, True)


# --8<-- [end:scan]
