"""The watch for newer releases: which upgrades break which test, and what is said of them."""

import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.check.test_commands import commit
from tests.engine.pages import ROOT
from tests.fresh import bisect, clone, locks, proofs, texts
from tests.fresh.__main__ import PROJECT, main
from tests.fresh.clone import Environment, Project
from tests.fresh.locks import Lock, Upgrade
from tests.fresh.proofs import Failure
from tests.fresh.watch import Break, Found, Steps, look, renew
from tests.parts import clock, registry, wheels
from tests.parts.copies import copied
from tests.service.conftest import shell

MANY = [f"p{number:02}" for number in range(60)]
AWAY = "http://127.0.0.1:9/simple"  # nobody listens there
OLD, YOUNG = timedelta(days=90), timedelta(days=2)


class Planted:
    """A test that some sets of upgrades break; it counts how often it runs."""

    def __init__(self, *broken: set[str], resolves: Callable[[set[str]], bool] | None = None):
        self.broken, self.resolves, self.runs = broken, resolves, 0

    def __call__(self, subset: tuple[str, ...]) -> bool | None:
        if self.resolves and not self.resolves(set(subset)):
            return None
        self.runs += 1
        return not any(each <= set(subset) for each in self.broken)


@pytest.mark.parametrize("name", MANY)
def test_one_break_of_sixty_upgrades_is_found_in_eight_runs(name: str) -> None:
    planted = Planted({name})
    assert bisect.breaks(MANY, planted) == [(name,)]
    assert planted.runs <= 8


def test_two_breaks_of_one_test_are_both_found() -> None:
    for other in MANY[:17] + MANY[18:]:
        found = bisect.breaks(MANY, Planted({"p17"}, {other}))
        assert sorted(found) == sorted([("p17",), (other,)])


def test_two_upgrades_that_break_only_together_are_found() -> None:
    for other in MANY[:17] + MANY[18:]:
        planted = Planted({"p17", other})
        assert bisect.breaks(MANY, planted) == [tuple(sorted(["p17", other]))]
        assert planted.runs <= 17
    assert bisect.breaks(MANY, Planted({"p03", "p30", "p58"})) == [("p03", "p30", "p58")]


def test_subsets_that_do_not_resolve_cost_no_run_and_prove_nothing() -> None:
    together = {f"p{number:02}" for number in range(24, 37)}  # all of them, or none

    def resolves(subset: set[str]) -> bool:
        return not subset & together or together <= subset

    for name in sorted(set(MANY) - together):
        planted = Planted({name}, resolves=resolves)
        assert bisect.breaks(MANY, planted) == [(name,)]
        assert planted.runs <= 10
    planted = Planted({"p30"}, resolves=resolves)
    assert bisect.breaks(MANY, planted) == [tuple(sorted(together))]


def test_a_pair_is_found_where_one_of_it_needs_a_third() -> None:
    planted = Planted({"p10", "p50"}, resolves=lambda some: "p10" not in some or "p40" in some)
    assert bisect.breaks(MANY, planted) == [("p10", "p40", "p50")]


def test_what_fails_without_upgrades_or_not_again_blames_none() -> None:
    red = Planted(set())
    assert bisect.breaks(MANY, red) == [()]
    assert red.runs <= 8
    assert bisect.breaks(MANY, lambda _: True) == []
    assert bisect.breaks([], lambda _: False) == []


def test_what_broke_another_test_is_asked_first() -> None:
    planted = Planted({"p44"})
    assert bisect.breaks(MANY, planted, [("p44",)]) == [("p44",)]
    assert planted.runs == 2
    planted = Planted({"p44"})
    assert bisect.breaks(MANY, planted, [("p43", "p44")]) == [("p44",)]


def test_delta_debugging_ends_with_what_is_needed_and_no_more() -> None:
    for broken in ({"p05"}, {"p05", "p06"}, {"p00", "p31", "p59"}):
        asked = bisect.Asked(MANY, Planted(broken))
        assert bisect.ddmin(tuple(MANY), asked) == tuple(sorted(broken))


def test_it_compiles_the_locks_as_make_does() -> None:
    """The words of the recipes are those that are given to uv."""

    def words(text: str) -> list[str]:
        text = re.sub(r"[\\\"';]|&&|--quiet|--upgrade", " ", text).replace(
            "$(SERVICE)", "/".join(served)
        )
        return text.split()

    served = ("snippets", "service")
    ours = [
        [*locks.COMPILE, *locks.NAMED, "--output-file", lock.file, *lock.sources]
        for lock in PROJECT.locks
    ]
    told = [sorted(word for part in each for word in part.split()) for each in ours]
    recipe = re.search(
        r"uv pip compile (.*?)\n\t\$\(MAKE\)", (ROOT / "Makefile").read_text(), re.DOTALL
    )
    service = (ROOT / "snippets/service/Makefile").read_text()
    start = re.search(r'compile="\$\(BIN\)/uv pip compile (.*?)";', service, re.DOTALL)
    each = re.findall(r'eval "\$\$compile (.*?)"(?: &&|\n)', service, re.DOTALL)
    assert recipe and start and len(each) == 3
    theirs = [*(f"{start[1]} {one}" for one in each), recipe[1]]
    assert told == [sorted(words(one)) for one in theirs]


TINY = {
    ".gitignore": "/.venv\n/fresh\n__pycache__/\n",
    "pyproject.toml": """\
[project]
name = "tiny"
version = "1"
[dependency-groups]
tests = ["alpha", "delta", "gamma", "pytest", "shown"]
[tool.pytest]
filterwarnings = ["error"]
addopts = ["-p", "no:cacheprovider"]
markers = ["holds: sentences"]
""",
    "conftest.py": """\
def pytest_addoption(parser):
    parser.addoption("--update-examples", action="store_true")

def pytest_configure(config):  # a page stands for its tests
    config.args[:] = ["tests/prove/test_alpha.py" if a.endswith(".md") else a for a in config.args]
""",
    "docs/alpha.md": "# Alpha\n\nIt returns one.\n",
    "tests/prove/test_alpha.py": """\
import alpha
import pytest

@pytest.mark.holds("It returns one.")
def test_alpha():
    assert alpha.value() == 1
""",
    "tests/test_pair.py": """\
import delta
import gamma

def test_pair():
    assert gamma.value() + delta.value() < 4, "they differ"
""",
    "tests/test_shown.py": """\
import pathlib
import shown

def test_shown(pytestconfig):
    file = pathlib.Path("shown.out")
    if pytestconfig.option.update_examples:
        file.write_text(f"{shown.value()}\\n")
    assert file.read_text() == f"{shown.value()}\\n"
""",
    "shown.out": "1\n",
}
VALUE = "def value():\n    return {}\n"
WARNS = "warnings.warn('value() goes in 3.0', DeprecationWarning)"
NEWER = {  # what each package's second version is
    "alpha": f"import warnings\n\ndef value():\n    {WARNS}\n    return 1\n",
    "delta": VALUE.format(2),
    "gamma": VALUE.format(2),
    "shown": VALUE.format(2),
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project of a few tests, with a lock, and a registry that has newer versions."""
    base = tmp_path_factory.mktemp("fresh")
    root, served = base / "tiny", base / "served"
    served.mkdir()
    for path, text in TINY.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    names = ("pytest", "pluggy", "packaging", "iniconfig", "pygments")
    files = [*(wheels.pack(name, served) for name in names)]
    files += [wheels.wheel(served, "colorama", "1.0")]
    files += [wheels.wheel(served, name, "1.0", source=VALUE.format(1)) for name in NEWER]
    newer = [wheels.wheel(served, name, "2.0", source=text) for name, text in NEWER.items()]
    young = [wheels.wheel(served, name, "3.0") for name in NEWER]
    ages = {file.name: 3 * OLD for file in files} | {file.name: OLD for file in newer}
    ages |= {file.name: YOUNG for file in young}
    lock = Lock(".", "requirements.txt", ("--group", "tests"))
    with registry.serving(served, ages) as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_DEFAULT_INDEX", address)
        patch.setenv("UV_CACHE_DIR", str(base / "cache"))
        patch.setenv("UV_HTTP_RETRIES", "0")
        patch.setattr(tempfile, "tempdir", str(base))
        locks.compiled(root, [lock], f"--exclude-newer={datetime.now(UTC) - 2 * OLD:%Y-%m-%d}")
        commit(root, "Start")
        venv = Environment(".venv", lock.path, pip=False)
        yield Project(root, (lock,), (venv,), ("tests",), ("tests",))


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
    command = [sys.executable, "-c", lasts, tiny.root]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout
        copy = Path(run.stdout.readline().strip())
        assert (copy / "shown.out").exists()
        run.send_signal(signal.SIGKILL)
    clock.wait(lambda: not copy.parent.exists())


FAILED = Failure(
    "tests/prove/testing/test_fixtures.py::test_an_unmarked_test_is_skipped",
    "docs/testing/fixtures.md",
    "docs/testing/fixtures.md:12",
    "Failed: async def functions are not natively supported.",
)
PYTEST = Upgrade("pytest", "7.4.3", "9.2.0")
LOOP = Upgrade("pytest-asyncio", "0.20.3", "0.21.1")


def planted(**fields: list[Break] | list[Failure]) -> Found:
    """Return what a run finds that meets pytest 9, which fails what pytest 7 skipped."""
    upgrades = [Upgrade("iniconfig", "2.0.0", "2.3.0"), PYTEST, LOOP]
    return Found(datetime(2026, 11, 26, tzinfo=UTC), 7, upgrades, **fields)  # type: ignore[arg-type]  # by name


def test_an_issue_names_the_sentence_the_upgrade_and_the_message() -> None:
    along = [Upgrade("pluggy", "1.3.0", "1.6.0")]
    said = texts.text(planted(breaks=[Break([PYTEST], along, [FAILED])]))
    assert said.splitlines()[:3] == [
        "Broken by pytest 7.4.3 → 9.2.0",
        "",
        "Of 3 upgrades on 2026-11-26, these break proofs.",
    ]
    for part in (
        f"- `{FAILED.place}`: `{FAILED.item}`",
        f"  ```text\n  {FAILED.message}\n  ```",
        "It breaks what follows; without, it holds.",
        "What came along: pluggy 1.3.0 → 1.6.0.",
        "| iniconfig | 2.0.0 | 2.3.0 |",
        "None of them is younger than 7 days.",
    ):
        assert part in said, part
    assert "a warning of a break to come" not in said


def test_an_issue_tells_two_breaks_apart_and_a_pair_together() -> None:
    other = replace(FAILED, item="tests/test_b.py::test_b", place="tests/test_b.py:3")
    apart = texts.text(planted(breaks=[Break([PYTEST], [], [FAILED]), Break([LOOP], [], [other])]))
    assert apart.startswith(f"Broken by {PYTEST}, and by {LOOP}\n")
    assert apart.index(f"## {PYTEST}") < apart.index(FAILED.item) < apart.index(f"## {LOOP}")
    assert apart.index(f"## {LOOP}") < apart.index(other.item)
    assert apart.count(FAILED.message) == 2
    both = texts.text(planted(breaks=[Break([PYTEST, LOOP], [], [FAILED, other])]))
    assert both.startswith(f"Broken by {PYTEST} with {LOOP}\n")
    assert "Neither alone, but together they break what follows" in both
    assert both.count(FAILED.message) == 1
    assert f"The message is that of `{FAILED.place}`." in both


def test_an_issue_blames_no_upgrade_for_what_fails_without_or_once() -> None:
    for fields, heading in (
        ({"before": [FAILED]}, "Fails without any upgrade"),
        ({"once": [FAILED]}, "Failed once"),
        ({"unasked": [FAILED]}, "Not looked into"),
    ):
        said = texts.text(planted(**fields))
        assert said.startswith("Proofs fail, and no upgrade is to blame\n")
        assert "No upgrade is blamed." in said and f"## {heading}" in said
        assert FAILED.place in said and "It breaks" not in said


def test_a_text_stays_within_what_a_host_takes_and_ends_no_block() -> None:
    many = [
        replace(FAILED, item=f"t{n}", message=f"````\n@all {n}" + "x" * 1400) for n in range(99)
    ]
    said = texts.text(planted(breaks=[Break([PYTEST], [], many)]))
    assert len(said) < 65_000 and "And 69 more." in said
    assert said.count("\n  `````text\n") == said.count("\n  `````\n") == 30
    green = planted()
    green.shown = "+x\n" * 50_000
    said = texts.text(green)
    assert len(said) < 65_000 and "The diff is longer: see the commit." in said


def test_a_module_that_fails_says_nothing_of_its_tests(tiny: Project) -> None:
    steps = Steps(tiny, tiny.root, {}, {}, print)
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
