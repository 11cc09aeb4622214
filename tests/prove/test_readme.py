"""What the README says: its commands are there, its paths and pictures exist, its words are right."""

import re
import tomllib

from tests.engine.pages import ROOT, RefusedError
from tests.prove import places, prose, style
from tests.prove.sentences import prose_lines

README = ROOT / "README.md"
FENCED = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
MADE = re.compile(r"\bmake ([\w-]+)")


def commands() -> list[tuple[int, str]]:
    """Return the numbered lines of the README's blocks of shell."""
    text = README.read_text()
    return [
        (text[: block.start(1)].count("\n") + 1 + number, line.strip())
        for block in FENCED.finditer(text)
        for number, line in enumerate(block[1].splitlines())
    ]


def test_each_command_of_a_block_is_run_by_a_test() -> None:
    assert commands(), "the README shows no command"
    for line, command in commands():
        if command not in prose.commands():
            cure = "Mend it, or name in snippets/data/commands.toml the test that runs it"
            raise RefusedError(README, line, f"no test runs `{command}`", cure)


def test_each_target_is_in_a_makefile() -> None:
    known = "".join((ROOT / name).read_text() for name in ("Makefile", "snippets/service/Makefile"))
    targets = set(re.findall(r"^([a-z][\w-]*):", known, re.MULTILINE))
    lines = README.read_text().splitlines()
    told = [(n, target) for n, line in enumerate(lines, 1) for target in MADE.findall(line)]
    named = [(n, t) for n, t in told if f"`make {t}" in lines[n - 1] or lines[n - 1] == f"make {t}"]
    assert named
    for line, target in named:
        if target not in targets:
            raise RefusedError(
                README, line, f"there is no target {target!r}", "Name one of make help"
            )


def test_its_links_and_its_sentences_are_in_order() -> None:
    if refused := [*places.led(README), *style.hold_page(README)]:
        raise RefusedError.of(refused)


def test_pictures_are_tracked() -> None:
    pictures = [target for _, _, target, picture in places.links(README) if picture]
    assert pictures
    assert all((ROOT / picture).stat().st_size for picture in pictures)


def test_the_python_that_it_asks_for_is_the_one_that_is_required() -> None:
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    told = {v for _, line in prose_lines(README) for v in re.findall(r"Python (\d[\d.]*\d)", line)}
    assert told == {required.removeprefix(">=")}
