"""Mutants: which are made, what refuses them, and what is said of those that survive."""

import itertools
import subprocess
import tomllib
from pathlib import Path

import psutil
import pytest

from tests.engine.pages import ROOT
from tests.engine.plugin import MARK
from tests.mutate import returns
from tests.mutate.__main__ import complaints, key, listed, made, surviving
from tests.mutate.change import FEW, MOST, changed, few
from tests.mutate.mutants import Mutant, mutants
from tests.mutate.verdict import BLOCK, SURVIVED, TIME, TYPES, found_in, trials
from tests.speed.generate import generate, write

LINES = {  # what becomes of a line, other than that it goes
    "x = 1 < y": ["x = 1 >= y", "x = 2 < y", "x = 0 < y"],
    "x = y is not z not in w": ["x = y is z not in w", "x = y is not z in w"],
    "x = (y and z) or not w": [
        "x = (y or z) or not w",
        "x = (y and z) and not w",
        "x = (y and z) or w",
    ],
    "x = y - z * 2": ["x = y + z * 2", "x = y - z / 2", "x = y - z * 3", "x = y - z * 0"],
    "x //= y ** z": [],
    "x += y": ["x -= y"],
    "x = y if z.ok else [w for w in v if w]": [
        "x = y if not z.ok else [w for w in v if w]",
        "x = y if z.ok else [w for w in v if not w]",
    ],
    "x = True, None, 0.5, ...": [
        "x = False, None, 0.5, ...",
        "x = True, 0, 0.5, ...",
        "x = True, None, 1.5, ...",
        "x = True, None, 0, ...",
    ],
    "x = 'é', rb'''y''', f'{z!r}', ''": [
        "x = 'Xé', rb'''y''', f'{z!r}', ''",
        "x = 'é', rb'''Xy''', f'{z!r}', ''",
        "x = 'é', rb'''y''', f'X{z!r}', ''",
        "x = 'é', rb'''y''', f'{z!r}', 'X'",
    ],
    "x = f(y, a=y, **z)": ["x = f(y, **z)", "x = f(y, a=y)"],
    "x = f(a=y, b=z)": ["x = f(b=z)", "x = f(a=y)"],
    "x: Literal[1] = y  # it is 1": [],
}
BLOCKS = {  # all mutants of several lines
    '"""Doc."""\nimport x\n\ny: int\n': [],
    "f(\n    a=x,\n)\n": ["# gone\n\n\n", "f(\n\n)\n"],
    "f(\n    a=x,\n    b=y,\n)\n": ["# gone\n\n\n\n", "f(\n\nb=y,\n)\n", "f(\n    a=x\n,\n)\n"],
    "class A:\n    x: int\n\n    @y\n    def z(self): ...\n": [
        "# gone\n\n\n\n\n",
        "class A:\n    # gone\n\n    @y\n    def z(self): ...\n",
        "class A:\n    x: int\n\n    # gone\n\n",
    ],
    "if x:\n    y()  # why\n    #> 1\nelif z:\n    pass\n": [
        "# gone\n\n\n\n\n",
        "if x:\n    _ = None\n    #> 1\nelif z:\n    pass\n",
        "if not x:\n    y()  # why\n    #> 1\nelif z:\n    pass\n",
        "if x:\n    y()  # why\n    #> 1\n# gone\n\n",
        "if x:\n    y()  # why\n    #> 1\nelif not z:\n    pass\n",
    ],
    "with x as y, z:\n    '''\n    Text\n    '''\n    w()\n": [
        "# gone\n\n\n\n\n",
        "# gone\n'''\n    Text\n    '''\nw()\n",
        "with z:\n    '''\n    Text\n    '''\n    w()\n",
        "with x as y:\n    '''\n    Text\n    '''\n    w()\n",
        "with x as y, z:\n    '''\n    Text\n    '''\n    # gone\n",
    ],
    "async def f():\n    return await (g())\n": [
        "# gone\n\n",
        "async def f():\n    _ = None\n",
        "async def f():\n    return (g())\n",
    ],
}
PRICE = """\
def price(net: int, rate: int = 19) -> int:
    while rate > 99:
        rate -= 100
    return net + net * rate // 100


print(price(100, 107))
#> 107
"""
INTERRUPT = "an interrupt"
HANGS, SHORT, LONG = (f"generated/page0/b{number}.py" for number in range(3))
LIMITS = {HANGS: 1.0, SHORT: 60.0, LONG: 60.0}
FATES = {  # of the path, the line and the change
    (HANGS, "rate -= 100", "- -> +"): TIME,
    (SHORT, "return net + net * rate // 100", "statement -> nothing"): TYPES,
    (SHORT, "def price(net: int, rate: int = 19) -> int:", "19 -> 20"): SURVIVED,
    (SHORT, "print(price(100, 107))", "107 -> 108"): BLOCK,
    (LONG, "rate -= 100", "- -> +"): INTERRUPT,
}


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_changed_in_one_place(line: str) -> None:
    found = [mutant.source for mutant in mutants("x.py", line)]
    assert sorted(found) == sorted(["# gone", *LINES[line]])


@pytest.mark.parametrize("block", BLOCKS)
def test_lines_keep_their_numbers(block: str) -> None:
    found = [mutant.source for mutant in mutants("x.py", block)]
    assert sorted(found) == sorted(BLOCKS[block])
    assert {source.count("\n") for source in found} <= {block.count("\n")}


def test_a_mutant_names_the_line_where_it_begins() -> None:
    (mutant,) = (each for each in mutants("x.py", "x = [\n    y,\n    'z',\n]\n") if each.line == 3)
    assert (mutant.text, mutant.change) == ("'z',", "'z' -> 'Xz'")


def test_mutants_are_refused_or_survive_and_an_interrupt_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(MARK)  # the server that forks is for all tests, so it outlives this one
    generate(tmp_path / "pristine", 1, 3, PRICE)
    every = [mutant for path in LIMITS for mutant in mutants(path, PRICE)]
    chosen = {key(mutant): mutant for mutant in every if key(mutant) in FATES}
    refused = found_in(tmp_path, list(chosen.values()))
    fates = {key(mutant): TYPES for mutant in refused}
    tried = trials(tmp_path, [each for each in chosen.values() if each not in refused], LIMITS)
    fates |= {key(mutant): fate for mutant, fate in itertools.islice(tried, 3)}
    tried.close()  # as an interrupt does, while the last one hangs
    assert fates == {entry: fate for entry, fate in FATES.items() if fate != INTERRUPT}
    assert [folder.name for folder in tmp_path.iterdir()] == ["pristine"]
    folders = [each.info["cwd"] or "" for each in psutil.process_iter(["cwd"])]
    assert not [folder for folder in folders if folder.startswith(str(tmp_path))]


def test_what_survives_is_listed_and_what_is_listed_survives() -> None:
    fresh, known, dead = (Mutant("a/b.py", 7, "x = 1", f"1 -> {n}", "") for n in (2, 3, 4))
    verdicts = {fresh: SURVIVED, known: SURVIVED, dead: BLOCK}
    gone = ("a/b.py", "y = 1", "1 -> 2")
    assert not complaints({known: SURVIVED, dead: BLOCK}, [key(known)])
    said = complaints(verdicts, [key(known), key(dead), gone])
    assert [line.partition(". ")[0] for line in said] == [
        "snippets/a/b.py:7: x = 1: 1 -> 2: it survives",
        "survivors.toml: a/b.py: x = 1: 1 -> 4: its block refuses it",
        "survivors.toml: a/b.py: y = 1: 1 -> 2: no such mutant is made",
    ]


def test_each_entry_names_a_mutant_and_a_reason() -> None:
    entries = listed()
    assert set(entries) <= {key(mutant) for mutant in made()}
    assert all(reason.endswith(".") for reason in entries.values())


@pytest.mark.timeout(1200)  # seconds for a dozen of mutants beside all else
def test_a_few_mutants_of_what_changed_are_refused() -> None:
    survivors = surviving()
    assert not survivors, "\n".join(survivors)


def test_what_changed_is_what_differs_from_the_main_branch(tmp_path: Path) -> None:
    def run(*command: str) -> None:
        settings = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
        subprocess.run(["git", *settings, *command], cwd=tmp_path, check=True)

    for name in ("kept", "edited", "committed"):
        write(tmp_path / f"snippets/a/{name}/b.py", "x = 1\n")
        write(tmp_path / f"tests/prove/a/test_{name}.py", "x = 1\n")
    run("init", "-q", "-b", "main")
    run("add", "-A")
    run("commit", "-qm", "Start")
    assert changed(tmp_path) == set()
    run("checkout", "-q", "-b", "topic")
    write(tmp_path / "snippets/a/committed/b.py", "x = 2\n")
    run("commit", "-qam", "Change")
    write(tmp_path / "tests/prove/a/test_edited.py", "x = 2\n")
    write(tmp_path / "docs/a/new.md", "# New\n")
    assert changed(tmp_path) == {"a/committed/", "a/edited/", "a/new/"}


def test_few_are_chosen_of_each_snippet() -> None:
    every = [mutant for path in "abcdef" for mutant in mutants(f"{path}.py", PRICE)]
    chosen = few(every)
    assert len(chosen) == MOST
    assert {mutant.path for mutant in chosen} == {mutant.path for mutant in every}
    one = [mutant for mutant in every if mutant.path == "a.py"]
    assert len(few(one)) == FEW < len(one)
    other = few(mutants("a.py", PRICE + "print(price(1))\n"))
    assert {mutant.change for mutant in other} != {mutant.change for mutant in few(one)}


DONTS = """
import pytest

def dont(value):
    raises = pytest.RaisesExc(AssertionError, match="must be even")
    return pytest.param(value, marks=pytest.mark.xfail(strict=True, raises=raises))  # a "don't"

@pytest.mark.parametrize("value", [2, dont(1), dont(4), dont("x")])
def test_it_is_even(value):
    assert value % 2 == 0, "must be even"
"""


def test_a_dont_that_is_let_through_or_fails_elsewhere_is_no_refusal(tmp_path: Path) -> None:
    file = tmp_path / "test_even.py"
    file.write_text(DONTS)
    test = f"{file}::test_it_is_even"
    (found,) = returns.twins([test, test]).values()
    assert {name[-3:]: refused for name, refused in found.items()} == {
        "[1]": True,
        "[4]": False,
        "[x]": False,
    }


def test_a_mistake_that_may_return_is_told_and_so_are_too_few() -> None:
    found = {f"B{number:02}": {"a don't": True} for number in range(returns.LEAST)}
    assert not returns.complaints(found)
    found["B01"]["another"] = False
    (told,) = returns.complaints(found)
    assert told.startswith("B01: another: the test of the row doesn't refuse it. ")
    del found["B01"]
    (told,) = returns.complaints(found)
    assert told.startswith("29 rows were tried, of 30. ")


def test_each_mistake_can_be_planted() -> None:
    entries = tomllib.loads(returns.PLANTED.read_text())["planted"]
    for each in entries:
        assert each["row"] in returns.corrected()
        assert (ROOT / each["file"]).read_text().count(each["old"]) == 1
    assert entries
