"""What the page on the image claims: the service's image, built and run, and its Dockerfile."""

import math
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.engine.pages import SNIPPETS
from tests.parts.evidence import failing
from tests.parts.service import SERVICE

FOLDER = "deploy/image"
DOCKERFILE = "service/Dockerfile"
IMAGE = "tests/test_image.py"
TEXT = "tests/test_dockerfile.py"
PATCHES = {"root", "shell", "whole"}
Holds = Callable[[], None]
Measured = Callable[[], dict[str, float]]


INSTRUCTIONS = [
    "Install from the locks into a folder that root owns, start the server without a shell, and let only named files into the build.",
    "If you don't know which user to take, take a number that no other image of yours takes.",
    "Build in buildah's Docker format, or the image has no health check.",
    "Give Kubernetes probes of its own: see Answer health checks so that an outage stays small.",
    "Install outside of each home folder",
    "Install into /opt/venv, and let all read it.",
    "Name what enters the build",
    "Copy each folder with packages out of the image, and name it to pip-audit by --path.",
    "Take the Dockerfile of the service, and its .dockerignore.",
    "Start the container with a read-only root, give it memory for /tmp, and drop all capabilities.",
    "Wait for SIGTERM in the server: see Stop without losing a request.",
    "Renew the digest on a day of each month, or you keep old faults.",
    "Name your folder in them, and your command in place of gunicorn.",
    "Scan the base by another tool for what isn't Python: pip-audit doesn't see it.",
]


def said() -> str:
    """Return the Dockerfile."""
    return (SNIPPETS / DOCKERFILE).read_text()


@pytest.mark.holds(
    "Build an image that is small and runs without root",
    "Its first instruction, which they leave out, is ARG BASE with the digest of an image.",
    "This is the Dockerfile of the service, in four parts.",
    "buildah builds it and podman runs it in the tests of the service, in snippets/service/tests/test_image.py.",
    "First it installs what the locks name, by their hashes:",
    "Then it builds the service as a wheel, and adds that:",
    "The second stage takes two folders of the first:",
    "/opt/venv holds the packages of requirements.txt and the service, and none of the tools that build or test it.",
    "The base still holds pip and a shell.",
    "Its user owns no file and can change no code, and serves on a root that is read-only.",
    "A health check asks /healthz, and marks a container unhealthy that doesn't answer.",
)
@pytest.mark.service(
    f"{IMAGE}::test_it_holds_the_packages_of_the_lock",
    f"{IMAGE}::test_it_holds_no_file_that_is_not_needed",
    f"{IMAGE}::test_its_user_can_change_nothing",
    f"{IMAGE}::test_the_base_holds_pip_and_a_shell",
    f"{IMAGE}::test_it_serves_as_an_ordinary_user_on_a_read_only_root",
    f"{IMAGE}::test_without_an_answer_it_is_unhealthy",
)
@pytest.mark.proves(DOCKERFILE)
def test_the_image_is_built_and_run(service: Holds) -> None:
    service()
    assert '"buildah", "build"' in (SERVICE / "dev/containers.py").read_text()
    assert '"podman", "run"' in (SERVICE / IMAGE).read_text()
    first, second = said().split("FROM ${BASE}")[1:]
    assert first.count("--require-hashes") == 2
    assert first.index("requirements.txt") < first.index("hatchling build --target wheel")
    assert second.count("COPY --from=build") == 2
    assert said().count("# --8<-- [start:") == 4
    instructions = re.findall(r"^[A-Z]+ .*", said(), re.MULTILINE)
    assert re.fullmatch(r"ARG BASE=\S+@sha256:[0-9a-f]{64}", instructions[0])
    assert instructions[0] in said().partition("# --8<--")[0], "they leave it out"
    assert "server.request('GET', '/healthz')" in second
    assert (SERVICE / IMAGE).read_text().count("/healthz") == 1


@pytest.mark.holds(
    "Beyond the base, the first stage alone would add more than 2 times as much, and with requirements-dev.txt some 5 times.",
)
@pytest.mark.service(f"{IMAGE}::test_each_stage_that_is_left_out_makes_it_smaller")
@pytest.mark.proves(DOCKERFILE)
def test_the_last_stage_is_the_smallest(
    service: Holds, measured: Measured, record_property: Any
) -> None:
    service()
    found = measured()
    record_property("figure", f"{math.floor(found['single'])} times")
    record_property("figure", f"{found['tools']:.0f} times")
    assert "requirements-dev.txt" in (SERVICE / IMAGE).read_text()


@pytest.mark.holds(
    "A scan of the lock misses what the base brings",
    "Here a service knows of a fault in pip, which the base brings:",
    "The scan of the lock is green, and the scan of the image is red.",
    "With --format=cyclonedx-json, pip-audit writes the SBOM of the image too: see Compare what is installed with what was meant.",
    "It knows a package by its .dist-info alone: an image without these is green on each fault.",
)
@pytest.mark.service(f"{IMAGE}::test_a_scan_of_the_lock_misses_what_the_base_brings")
@pytest.mark.proves(f"service/{IMAGE}")
def test_the_image_is_scanned(service: Holds) -> None:
    service()
    script = (SERVICE / IMAGE).read_text()
    for used in '"podman", "cp", ', "--format=cyclonedx-json", '"*.dist-info"':
        assert used in script


@pytest.mark.holds(
    "FROM names a digest, so the base stays the same when its tag moves.",
)
@pytest.mark.service(f"{TEXT}::test_it_takes_nothing_that_is_not_pinned")
@pytest.mark.proves(DOCKERFILE)
def test_the_base_has_a_digest(service: Holds) -> None:
    service()
    assert "\nFROM ${BASE}\n" in said()


@pytest.mark.holds(
    'A scanner reports that your container runs as root, and with USER in the Dockerfile it ends with "Permission denied".',
    "Don't run as root",
)
@pytest.mark.service(f"{TEXT}::test_it_serves_as_a_user_without_a_name")
@pytest.mark.parametrize("patch", [None, failing(f"{FOLDER}/root.patch", "it runs as root")])
def test_it_has_a_user(service: Holds, patch: str | None) -> None:
    service()


@pytest.mark.holds(
    'A scanner reports that your container runs as root, and with USER in the Dockerfile it ends with "Permission denied".',
    "Root can change the code",
    "An attacker who takes over the server can change the code that the next process runs:",
    "A home folder that is closed, as /root is, lets in its user alone, and the server is another user:",
    "So an image that installs with --user breaks when you add USER alone.",
)
@pytest.mark.service(
    f"{IMAGE}::test_root_could_change_the_code",
    f"{IMAGE}::test_a_home_folder_is_closed_to_others",
    f"{TEXT}::test_nothing_is_installed_in_a_home_folder",
)
@pytest.mark.proves(f"service/{IMAGE}")
def test_the_home_of_root_is_closed(service: Holds) -> None:
    service()
    told = (SERVICE / IMAGE).read_text()
    assert "os.chmod('/home/builder', 0o700)" in told
    closed = told.partition("[start:home]")[2].partition("[end:home]")[0]
    assert 'match="ermission denied"' in closed, "it ends with this"


@pytest.mark.holds(
    "Don't start the server by a shell",
)
@pytest.mark.service(f"{TEXT}::test_it_starts_without_a_shell")
@pytest.mark.parametrize("patch", [None, failing(f"{FOLDER}/shell.patch", "a shell starts it")])
def test_it_starts_without_a_shell(service: Holds, patch: str | None) -> None:
    service()


@pytest.mark.holds(
    "A shell keeps the signal",
    "Or each stop of the container waits for the limit and ends with status 137.",
    "With ||, the shell waits until the server has failed or not.",
    "It gets SIGTERM and ignores it, as the first process of a container does without a handler.",
    "The server never hears of it, and is killed with its open requests:",
    "With exec before it, the server takes the place of the shell.",
)
@pytest.mark.service(f"{IMAGE}::test_a_shell_keeps_the_signal")
@pytest.mark.proves(f"service/{IMAGE}")
def test_a_shell_keeps_the_signal(service: Holds, record_property: Any) -> None:
    service()
    told = (SERVICE / IMAGE).read_text()
    ends = re.findall(r'\["sh", "-c", f"(.+)"\], "(\d+)"', told)
    assert ends == [
        ("exec python3 -c '{AWAITED}'", "0"),
        ("python3 -c '{AWAITED}' || echo failed", "137"),
    ]
    record_property("figure", f"status {ends[-1][1]}")
    assert "+CMD gunicorn ||" in (SNIPPETS / FOLDER / "shell.patch").read_text()


@pytest.mark.holds(
    "The .dockerignore of the service shuts out all, lets in what it names, and shuts out hidden files and caches again:",
)
@pytest.mark.service(
    f"{IMAGE}::test_it_holds_no_file_that_is_not_needed",
    f"{TEXT}::test_only_what_is_named_enters_the_build",
)
@pytest.mark.proves("service/.dockerignore")
def test_what_is_hidden_stays_outside(service: Holds) -> None:
    service()
    _, all_of_it, *named, hidden, caches = (SERVICE / ".dockerignore").read_text().splitlines()
    assert (all_of_it, hidden, caches) == ("*", "**/.*", "**/__pycache__")
    assert all(name.startswith("!") for name in named)
    planted = (SERVICE / IMAGE).read_text()
    assert '"src/accounts/.env"' in planted and '"alembic/__pycache__/' in planted


@pytest.mark.holds(
    "Without it, a copy of the whole folder takes a file with a password along:",
)
@pytest.mark.service(
    f"{IMAGE}::test_without_a_dockerignore_a_secret_is_in_the_image",
    f"{TEXT}::test_only_what_is_named_enters_the_build",
)
@pytest.mark.proves(f"service/{IMAGE}")
def test_only_what_is_named_enters(service: Holds) -> None:
    service()
    assert (SERVICE / ".dockerignore").read_text().splitlines()[1] == "*"


@pytest.mark.holds(
    "Don't copy the code before the locks",
    "With this change, each edit of the code installs all packages again.",
)
@pytest.mark.service(f"{TEXT}::test_the_locks_come_before_the_code")
@pytest.mark.parametrize(
    "patch", [None, failing(f"{FOLDER}/whole.patch", "all of the folder is copied")]
)
def test_the_locks_come_before_the_code(service: Holds, patch: str | None) -> None:
    service()
    copied = said().index("\nCOPY requirements.txt ")
    assert copied < said().index("uv pip sync") < said().index("\nCOPY src src")


@pytest.mark.holds(
    "Copy snippets/service/tests/test_dockerfile.py: these tests read the Dockerfile and build nothing.",
    "Each of the three patches above turns one of them red.",
    "This test sends SIGTERM to the container, with a request and a stream open:",
)
@pytest.mark.service(f"{IMAGE}::test_it_drains_on_sigterm")
@pytest.mark.proves(f"service/{IMAGE}")
def test_a_container_drains(service: Holds) -> None:
    service()
    assert {path.stem for path in (SNIPPETS / FOLDER).glob("*.patch")} == PATCHES
    assert len(PATCHES) == 3
    told = (SERVICE / TEXT).read_text()
    assert "subprocess" not in told
    assert "Containers" not in told
