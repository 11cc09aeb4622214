"""Refuse what makes a test weaker than it looks.

That is a match of anything, two tests of one name, and a figure that is written and not measured.
"""

import ast
import collections
import re
import re._parser as parser  # type: ignore[import-not-found]  # no public module parts an expression
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.engine.pages import SNIPPETS, RefusedError

FEW = 3  # characters, such as a status
RAISES = {"raises", "warns", "RaisesExc", "RaisesGroup"}
NOUNS = {"figure": "figure", "says": "text"}
MEASURED = (ast.Name, ast.Attribute, ast.Call, ast.Subscript)


def literal(expression: Any) -> int:
    """Return how many characters in a row an expression asks for, whatever else it takes."""
    best = run = 0
    for kind, told in expression:
        run = run + 1 if kind is parser.LITERAL else 0
        inner = 0
        if kind is parser.BRANCH:
            inner = min(map(literal, told[1]))
        elif kind is parser.SUBPATTERN:
            inner = literal(told[3])
        elif kind in (parser.MAX_REPEAT, parser.MIN_REPEAT) and told[0] > 0:
            inner = literal(told[2])
        best = max(best, run, inner)
    return best


def produced(path: str) -> str:
    """Return what a snippet prints, as its file and the file beside it show."""
    file = SNIPPETS / path
    out = file.with_suffix(".out")
    lines = re.findall(r"#> (.*)", file.read_text()) if file.exists() else []
    return "\n".join([*lines, out.read_text() if out.exists() else ""])


def weak(match: str | re.Pattern[str], good: list[str]) -> str | None:
    """Return why a match says nothing of a failure; `good` are the snippets that pass its test."""
    pattern = re.compile(match)
    if pattern.search(""):
        return f"matches the empty string with {pattern.pattern!r}"
    if literal(parser.parse(pattern.pattern)) < FEW:
        return f"asks for less than {FEW} characters in a row with {pattern.pattern!r}"
    for path in good:
        if found := pattern.search(produced(path)):
            return f"matches {found[0]!r}, which snippets/{path} prints"
    return None


def calls(file: Path) -> Iterator[tuple[str, ast.Call]]:
    """Return the calls of a file, each with the name of what is called."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func).rpartition(".")[2], node


def loose(file: Path) -> list[RefusedError]:
    """Return the refusals of matches that any failure has."""
    found = []
    for name, call in calls(file):
        given = [word.value for word in call.keywords if word.arg == "match"]
        for match in given if name in RAISES else []:
            if isinstance(match, ast.Constant) and (told := weak(str(match.value), [])):
                cure = "Match words that only this failure says"
                found.append(RefusedError(file, match.lineno, f"the expected failure {told}", cure))
    return found


def unmeasured(file: Path) -> list[RefusedError]:
    """Return the refusals of figures, and of words that a run says, which no run can change."""
    found = []
    for name, call in calls(file):
        figure = call.args[1] if name == "record_property" and len(call.args) == 2 else None
        if figure and not any(isinstance(node, MEASURED) for node in ast.walk(figure)):
            kind = ast.literal_eval(call.args[0])
            reason = f"the {NOUNS[kind]} {ast.unparse(figure)} is written, and not measured"
            cure = (
                f'Make it of what the test measured: record_property("{kind}", f"{{count}} calls")'
            )
            found.append(RefusedError(file, figure.lineno, reason, cure))
    return found


def hold(file: Path) -> list[RefusedError]:
    """Return what makes the tests of a file that run weaker than they look."""
    return [*loose(file), *unmeasured(file)]


def twice(file: Path) -> list[RefusedError]:
    """Return the refusals of tests of a file that have one name: only the last of them runs."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    tests = [n for n in ast.parse(file.read_text()).body if isinstance(n, kinds)]
    counted = collections.Counter(test.name for test in tests)
    return [
        RefusedError(file, test.lineno, f"two functions are called {test.name}", "Rename one")
        for test in tests
        if counted.pop(test.name, 1) > 1
    ]
