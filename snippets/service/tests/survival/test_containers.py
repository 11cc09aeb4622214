"""The containers on machines that lack a program, a runtime, or a network."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev import base_image, containers
from dev.containers import CommandError, Containers, storage
from dev.processes import ROOT
from tests.system import Hide, refuse


def skips(**environment: str) -> list[str]:
    """Run the tests of the image anew; return the reasons of the skips shown.

    What this run was told, such as where to report, is not for that one.
    """
    outside = {name: told for name, told in os.environ.items() if "PYTEST" not in name}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/test_image.py"],
        cwd=ROOT,
        env=outside | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode in {0, 5}, done.stdout  # 5: there is nothing else to run
    return re.findall(r"(?m)^SKIPPED.*?: (.*)", done.stdout)


def test_without_buildah_one_line_says_so(hide: Hide) -> None:
    hide("buildah")
    (told,) = skips()
    assert re.fullmatch("NO TESTS OF THE IMAGE: install buildah.* to run them", told)


@pytest.fixture(scope="module")
def runtime() -> str:
    """A runtime that works here, whatever its name is."""
    if absent := containers.missing():
        refuse("image", f"install {', '.join(absent)} to run them")
    return next(iter(containers.runtimes().values()))


@pytest.fixture(scope="module")
def started(
    runtime: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Containers]:
    """A storage with the base image that needs no network."""
    archive = tmp_path_factory.mktemp("base") / "base.tar"
    change = f"--change={base_image.write_archive(archive)}"
    with storage() as started:
        started.tell("podman", "import", change, archive, containers.LOCAL)
        archive.unlink()
        yield started


class TestPresent:
    """What needs buildah and podman."""

    # --8<-- [start:runtimes]
    @pytest.mark.parametrize("broken", [[], ["crun"]])
    def test_the_runtime_is_one_that_is_there_and_works(
        self,
        runtime: str,
        started: Containers,
        broken: list[str],
        hide: Hide,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(containers, "CGROUP_2", tmp_path / "none")
        machine = hide("crun", "runc")
        for name in broken:
            (machine / name).symlink_to("/bin/false")
        chosen = "runc" if broken else "crun"
        (machine / chosen).symlink_to(runtime)
        monkeypatch.setattr(started, "runtimes", containers.runtimes())
        assert started.choose_runtime(containers.LOCAL) == chosen
        (machine / chosen).unlink()
        (machine / chosen).symlink_to("/bin/false")
        with pytest.raises(CommandError, match=f"{chosen}: podman run: "):
            started.choose_runtime(containers.LOCAL)

    # --8<-- [end:runtimes]

    def test_without_an_index_one_line_says_so(
        self, started: Containers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from tests.test_image import able  # noqa: PLC0415  it skips what lacks buildah

        nowhere = "http://127.0.0.1:9/simple"  # the port of `discard`, where nobody is
        monkeypatch.setenv("PIP_INDEX_URL", nowhere)
        monkeypatch.delenv("REQUIRE_IMAGE", raising=False)
        monkeypatch.setattr(started, "runtimes", containers.runtimes())
        with pytest.raises(pytest.skip.Exception) as skipped:
            able(started, containers.LOCAL)
        assert str(skipped.value).startswith(
            "NO TESTS OF THE IMAGE: it can't be built, since pip reaches no index:"
        )
        monkeypatch.setenv("REQUIRE_IMAGE", "1")
        with pytest.raises(pytest.fail.Exception, match="pip reaches no index"):
            able(started, containers.LOCAL)
