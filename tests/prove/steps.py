"""The steps of the page on contributing, as a reader takes them from it."""

from collections.abc import Callable
from pathlib import Path

from tests.engine.pages import DOCS, Block
from tests.prove import prose
from tests.prove.sentences import prose_lines

PAGE = DOCS / "contributing.md"


def steps() -> list[tuple[Block, str]]:
    """Return each block of the page with what the text above it names last, its place.

    A command has none. What a reader sees of a failure is no step: a command writes it.
    """
    found: list[tuple[Block, str]] = []
    for block in prose.blocks(PAGE):
        if block.path.endswith(".fails.out"):
            continue
        above = found[-1][0].line if found else 0
        text = (text for line, text in prose_lines(PAGE) if above < line < block.line)
        named = [code for line in text for _, code in prose.CODE.findall(line)]
        if block.language != "sh" and not named:
            raise block.refuse("nothing above it says where it goes", "Name its file there")
        found.append((block, "" if block.language == "sh" else named[-1]))
    return found


def take(block: Block, file: Path) -> None:
    """Write a block as a file, or put what is new in it below what stands in the file, once."""
    take_back(block, file)
    if block.language != "yaml":
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{block.text}\n")
        return
    neighbour, text = block.text.splitlines()[0], file.read_text()
    if text.count(f"{neighbour}\n") != 1:
        raise block.refuse(f"{file.name} has no line {neighbour!r}", "Show one that is there")
    file.write_text(text.replace(neighbour, block.text))


def take_back(block: Block, file: Path) -> None:
    """Undo a step, where someone took it."""
    if block.language != "yaml":
        file.unlink(missing_ok=True)
        return
    new, text = block.text.splitlines()[1:], file.read_text()
    file.write_text("".join(line for line in text.splitlines(True) if line.rstrip() not in new))


def all_but(left_out: str) -> Callable[[Path], None]:
    """Return what takes the steps that write files in a copy of the project, but for one."""

    def take_them(copy: Path) -> None:
        places = [place for _, place in steps()]
        assert left_out in places, f"no step writes {left_out}"
        for block, place in steps():
            if place:
                (take_back if place == left_out else take)(block, copy / place)

    return take_them
