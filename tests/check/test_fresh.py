"""The watch for newer releases: what it makes of a project whose registry has some."""

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.check.test_commands import commit
from tests.check.tiny import NEWER, planted
from tests.engine.pages import ROOT
from tests.fresh import clone, locks, proofs, texts
from tests.fresh.__main__ import PROJECT, main
from tests.fresh.clone import Environment, Project
from tests.fresh.locks import Upgrade
from tests.fresh.proofs import Failure
from tests.fresh.watch import Found, Steps, blame, look, renew
from tests.parts import clock
from tests.parts.copies import copied
from tests.service.conftest import shell

AWAY = "http://127.0.0.1:9/simple"  # nobody listens there


def test_it_compiles_the_locks_as_make_does() -> None:
    """The words of the recipes are those that are given to uv."""

    def words(text: str) -> list[str]:
        text = text.replace("$(SERVICE)", "snippets/service")
        return re.sub(r"[\\\"';]|&&|--quiet|--upgrade", " ", text).split()

    ours = [
        [*locks.COMPILE, *locks.NAMED, "--output-file", lock.file, *lock.sources]
        for lock in PROJECT.locks
    ]
    told = [sorted(word for part in each for word in part.split()) for each in ours]
    compiled = r"\$\(BIN\)/uv pip compile (.*?[^\\])\n"
    recipes = re.findall(compiled, (ROOT / "Makefile").read_text(), re.DOTALL)
    service = (ROOT / "snippets/service/Makefile").read_text()
    start = re.search(r'compile="\$\(BIN\)/uv pip compile (.*?)";', service, re.DOTALL)
    each = re.findall(r'eval "\$\$compile (.*?)"(?: &&|\n)', service, re.DOTALL)
    assert len(recipes) == 2 and start and len(each) == 3
    theirs = [*(f"{start[1]} {one}" for one in each), *recipes]
    assert told == [sorted(words(one)) for one in theirs]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A small project that newer versions break."""
    with planted(tmp_path_factory.mktemp("fresh")) as project:
        yield project


def looked(project: Project, cooldown: int = 7) -> Found:
    """Look at a project, with the time of a test."""
    return look(project, datetime.now(UTC), cooldown, timedelta(minutes=5), print)


def state(project: Project) -> list[str]:
    """Return all that a look may not change: the tree, and what stands beside it."""
    root = project.root
    files = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    return [f"{path} {hash(text)}" for path, text in sorted(files.items())] + sorted(
        str(path) for path in root.parent.iterdir()
    )


def test_each_break_of_a_real_project_is_blamed_on_its_upgrades(tiny: Project) -> None:
    before = state(tiny)
    found = looked(tiny)
    assert [str(one) for one in found.upgrades] == [f"{name} 1.0 → 2.0" for name in NEWER]
    blamed = {
        failure.item: [one.name for one in broken.upgrades]
        for broken in found.breaks
        for failure in broken.failures
    }
    assert blamed == {
        "tests/prove/test_alpha.py::test_alpha": ["alpha"],
        "tests/test_pair.py::test_pair": ["delta", "gamma"],
    }
    assert not found.before + found.once + found.unasked
    said = texts.text(found)
    assert said.startswith(
        "Broken by alpha 1.0 → 2.0, and by delta 1.0 → 2.0 with gamma 1.0 → 2.0\n\n"
    )
    assert "`docs/alpha.md:3`" in said and "DeprecationWarning: value() goes in 3.0" in said
    assert "`tests/test_pair.py:5`" in said and "they differ" in said
    assert said.count("a warning of a break to come") == 1
    assert str(tiny.root.parent) not in said
    assert state(tiny) == before


def test_what_holds_becomes_a_pull_request_that_applies(
    tiny: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    green = replace(tiny, proofs=("tests/test_shown.py",))
    assert main([], green) == 0
    said = (tiny.root / "fresh/pull-request.md").read_text()
    assert said in capsys.readouterr().out
    assert said.startswith("Upgrade 4 packages\n\n")
    assert "| shown | 1.0 | 2.0 |" in said and "None of them is younger than 7 days." in said
    assert "-1\n+2\n" in said and "hash=sha256" not in said
    subprocess.run(["git", "apply", "fresh/changes.patch"], cwd=tiny.root, check=True)
    assert locks.pins(tiny.root, tiny.locks)["alpha"] == ("2.0",)
    assert (tiny.root / "shown.out").read_text() == "2\n"
    subprocess.run(["git", "checkout", "--quiet", "."], cwd=tiny.root, check=True)
    shutil.rmtree(tiny.root / "fresh")


def test_nothing_new_is_said_and_costs_no_run(
    tiny: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    before = state(tiny)
    assert main(["--days=180"], replace(tiny, environments=(Environment("/none", "none"),))) == 0
    told = capsys.readouterr()
    assert told.out == "There is nothing new. None of them is younger than 180 days.\n"
    assert "All proofs run" not in told.err
    assert state(tiny) == before


def test_a_cooldown_takes_nothing_back(tiny: Project, tmp_path: Path) -> None:
    """What is locked already and is younger stays, and the others don't pass the limit."""
    with clone.copied(tiny.root) as copy:
        old = locks.pins(copy, tiny.locks)
        locks.choose(copy, tiny.locks, old, old | {"alpha": ("3.0",)}, ["alpha"])
        assert locks.pins(copy, tiny.locks) == old | {"alpha": ("3.0",)}
        locks.renew(copy, tiny.locks, datetime.now(UTC) - timedelta(days=7))
        there = locks.pins(copy, tiny.locks)
        lock = (copy / "requirements.txt").read_text()
    assert {name: there[name] for name in NEWER} == {
        **dict.fromkeys(NEWER, ("2.0",)),
        "alpha": ("3.0",),
    }
    assert "-c " not in lock


def test_without_dates_there_is_no_cooldown_and_that_is_said(tiny: Project) -> None:
    lists = [tiny.root.parent / "served" / name / "index.html" for name in NEWER]
    dated = [file.read_text() for file in lists]
    for file, text in zip(lists, dated, strict=True):
        file.write_text(re.sub(r', "upload-time": "[^"]*"', "", text))
    try:
        with clone.copied(tiny.root) as copy:
            assert renew(tiny, copy, datetime.now(UTC), 7) == 0
            there = locks.pins(copy, tiny.locks)
    finally:
        for file, text in zip(lists, dated, strict=True):
            file.write_text(text)
    assert {name: there[name] for name in NEWER} == dict.fromkeys(NEWER, ("3.0",))
    told = texts.text(Found(datetime.now(UTC), 0, list(locks.compared({}, there).values())))
    assert "there was no cooldown" in told


def test_a_lock_that_does_not_resolve_is_said_with_its_cause(
    tiny: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "other"
    shutil.copytree(tiny.root, root)
    config = root / "pyproject.toml"
    config.write_text(config.read_text().replace('"alpha"', '"alpha>7"'))
    commit(root, "Ask for what there isn't")
    assert main([], replace(tiny, root=root)) == 4
    said = capsys.readouterr().err
    assert said.startswith("Nothing was changed, and no upgrade is to blame: the lock doesn't ")
    assert "only alpha<=" in said and "://" not in said
    assert not (root / "fresh").exists()


def test_make_says_that_the_registry_is_away(tmp_path: Path) -> None:
    copy = copied(tmp_path / "copy")
    (copy / ".venv").symlink_to(sys.prefix)
    commit(copy, "Start")
    away = {"UV_DEFAULT_INDEX": AWAY, "UV_CACHE_DIR": str(tmp_path), "UV_HTTP_RETRIES": "0"}
    done = subprocess.run(
        ["make", "--silent", "--assume-old=.venv/ready", "fresh"],
        cwd=copy,
        env=shell() | away,
        capture_output=True,
        text=True,
    )
    said, *rest = done.stderr.splitlines()
    assert said == ("Nothing was changed, and no upgrade is to blame: the registry doesn't answer.")
    assert "Error 3" in rest[0] and done.stdout == ""
    assert not (copy / "fresh").exists()


def test_a_killed_look_leaves_nothing_behind(tiny: Project) -> None:
    lasts = "import pathlib, sys, time\nfrom tests.fresh import clone\n"
    lasts += "with clone.copied(pathlib.Path(sys.argv[1])) as copy:\n"
    lasts += "    print(copy, flush=True)\n    time.sleep(60)\n"
    command = [sys.executable, "-c", lasts, str(tiny.root)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout
        copy = Path(run.stdout.readline().strip())
        assert (copy / "shown.out").exists()
        run.send_signal(signal.SIGKILL)
    clock.wait(lambda: not copy.parent.exists())


FAILED = Failure("tests/test_a.py::test_a", "tests/test_a.py::test_a", "tests/test_a.py:1", "no")


def test_a_module_that_fails_says_nothing_of_its_tests(tiny: Project) -> None:
    steps = Steps(tiny, tiny.root, {}, {}, timedelta(0), print)
    file = FAILED.item.partition("::")[0]
    for items, holds in (
        ([], True),
        (["tests/test_b.py"], True),
        ([FAILED.item, file], False),
        ([file], None),
        ([proofs.SESSION], None),
    ):
        steps.known[frozenset(), FAILED.unit, True] = frozenset(items)
        assert steps.holds(FAILED, ()) is holds


def test_what_there_is_no_time_for_is_not_blamed(tiny: Project) -> None:
    found = Found(datetime.now(UTC), 7, [Upgrade("alpha", "1.0", "2.0")])
    blame(found, [FAILED], Steps(tiny, tiny.root, {}, {}, timedelta(-1), print))
    assert found.unasked == [FAILED] and found.red
    assert not found.breaks + found.once


BROKEN = {
    "test_import.py": "import beta_of_none\n\ndef test_it(): ...\n",
    "test_class.py": "class TestAll:\n    def test_it(self):\n        assert 0, 'no'\n",
    "test_setup.py": """\
import pytest

@pytest.fixture
def late():
    raise OSError("too late")

@pytest.mark.parametrize("one", ["a.b", "c"])
def test_it(late, one): ...
""",
}


def test_what_failed_is_named_as_pytest_takes_it(tiny: Project) -> None:
    with clone.copied(tiny.root) as copy:
        clone.install(copy, tiny.environments)
        for name, text in BROKEN.items():
            (copy / "tests" / name).write_text(text)
        files = [f"tests/{name}" for name in BROKEN]
        failures = {one.item: one for one in proofs.run(copy, files)}
        again = {one.item for one in proofs.run(copy, [*failures])}
        (crashed,) = proofs.run(copy, ["--no-such-option"])
        long = proofs.tidy(copy, f" first{copy}/" + "-" * 9999 + "last\n")
    assert long.startswith("first--") and long.endswith("--last") and len(long) < 1600
    assert {item: one.message.splitlines()[0] for item, one in failures.items()} == {
        "tests/test_import.py": "ModuleNotFoundError: No module named 'beta_of_none'",
        "tests/test_class.py::TestAll::test_it": "AssertionError: no",
        "tests/test_setup.py::test_it[a.b]": "OSError: too late",
        "tests/test_setup.py::test_it[c]": "OSError: too late",
    }
    places = {one.place for one in failures.values()}
    assert places == {"tests/test_import.py:1", "tests/test_class.py:3", "tests/test_setup.py:5"}
    assert again == {*failures}
    assert (crashed.item, crashed.unit) == (proofs.SESSION, proofs.SESSION)
    assert "--no-such-option" in crashed.message
