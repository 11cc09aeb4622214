"""What the Dockerfile must say, without a build."""

import json
import re

from dev.processes import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()


def told(instruction: str) -> list[str]:
    """Return what stands behind an instruction, in order."""
    return re.findall(rf"^{instruction} (.*)$", DOCKERFILE, re.MULTILINE)


def test_it_takes_nothing_that_is_not_pinned() -> None:
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) == ["${BASE}"] * 2
    (base,) = re.findall(r"^ARG BASE=(.+)$", DOCKERFILE, re.MULTILINE)
    assert re.fullmatch(r"\S+:\S+@sha256:[0-9a-f]{64}", base), f"{base} may move"
    assert DOCKERFILE.count("--require-hashes") == len(["build", "run"])


def test_the_locks_come_before_the_code() -> None:
    names = [name for line in told("COPY") for name in line.split()[:-1]]
    assert "." not in names, "all of the folder is copied"
    assert names[:2] == ["requirements.txt", "requirements-build.txt"]


def test_it_serves_as_a_user_without_a_name() -> None:
    users = told("USER")
    assert users, "it runs as root"
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1])


def test_nothing_is_installed_in_a_home_folder() -> None:
    assert not re.search(r"--user|/root|/home|\.local", DOCKERFILE)


def test_it_starts_without_a_shell() -> None:
    (command,) = told("CMD")
    assert command.startswith("["), "a shell starts it"
    assert json.loads(command) == ["gunicorn"]


def test_only_what_is_named_enters_the_build() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored, "a new file enters the build"
    assert ignored.index("*") < min(map(ignored.index, filter(is_named, ignored)))


def is_named(pattern: str) -> bool:
    """Tell whether a pattern lets something in."""
    return pattern.startswith("!")
