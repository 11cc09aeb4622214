"""Find what is let pass by exception: lines that a rule leaves alone, tests that don't run, sleeps."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ESCAPE = re.compile(
    r"# (?P<comment>noqa|type: ignore|pragma: no cover|fmt: skip)"
    r"|pytest\.(?:mark\.)?(?P<mark>skipif|skip|xfail|importorskip)\b(?!\.Exception)"
)
CLOCKS = {"time", "asyncio", "anyio"}
PAUSES = {"sleep", "wait_for_timeout"}  # the second is a browser's
Escape = tuple[int, str, str | None]  # line, kind, reason


def escapes(file: Path, slept: bool) -> Iterator[Escape]:
    """Yield the escapes of a Python file; among them sleeps, where the file may not sleep."""
    source = file.read_text()
    lines = source.splitlines()
    for number, line in enumerate(lines, start=1):
        escape = ESCAPE.search(line)
        if escape and file != Path(__file__):
            told = re.search(r"  +(?:# )?(\S.*)", line[escape.end() :])
            yield number, escape["comment"] or escape["mark"], told and told[1]
    for number in sorted(sleeps(source)) if slept else ():
        told = re.search(r"  # (\S.*)", lines[number - 1])
        yield number, "sleep", told and told[1]


def sleeps(source: str) -> set[int]:
    """Return the lines of Python source that name a function which waits for time to pass."""
    tree, found = ast.parse(source), set[int]()
    modules = set(CLOCKS)
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                modules |= {each.asname for each in names if each.name in CLOCKS and each.asname}
            case ast.ImportFrom(module=module, names=names) if module in CLOCKS:
                if PAUSES & {each.name for each in names}:
                    found.add(node.lineno)
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr="sleep") if name in modules:
                found.add(node.end_lineno or node.lineno)
            case ast.Attribute(attr="wait_for_timeout"):
                found.add(node.end_lineno or node.lineno)
    return found
