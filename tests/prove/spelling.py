"""Refuse misspelt words: on pages, in the README, and in the docstrings and comments of snippets.

A word is known when a dictionary knows it as more than a rare one, when it is the name of a
locked package, or when `snippets/data/words.toml` lists it. Inline code is left out.
"""

import ast
import functools
import io
import re
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path

from spellchecker import SpellChecker

from tests.engine.pages import ROOT, SNIPPETS, RefusedError, parses
from tests.prove.sentences import prose_lines

WORDS = SNIPPETS / "data/words.toml"
LOCK = ROOT / "requirements.txt"
RARE = 100  # of a word in the dictionary's texts; below it there is much that is no word
NO_PROSE = re.compile(
    r"(`+)(?!`).+?(?<!`)\1(?!`)|\]\([^)]*\)|\[[^\]]+\]: .*|<[^>]*>|\{[^}]*\}|&\w+;"
    r"|\b[^\s()\[\]]+\.(?:md|py|toml|yml|json|svg|png|txt|ini)\b|\bhttps?://\S+|--8<--.*|^::: .*|^(?:!!!|\?\?\?).*? "
)
WORD = re.compile(r"(?<![\w.@/'-])[A-Za-z][A-Za-z]*(?:'[a-z]+)?(?![\w@/]|\.\w|\()")
QUIET = ("noqa", "type: ignore", "pragma", "fmt:", "mypy:", "--8<--", "#>")  # told to tools


@functools.cache
def dictionary() -> SpellChecker:
    """Return the dictionary of English."""
    return SpellChecker(distance=1)


@functools.cache
def own() -> set[str]:
    """Return the words that no dictionary needs to know, in lower case."""
    listed = {word.lower() for word in tomllib.loads(WORDS.read_text())["words"]}
    names = re.findall(r"^([a-z0-9][\w.-]*)==", LOCK.read_text(), re.MULTILINE)
    return {*listed, *names, "pip"}  # which installs the lock


def misspelt(text: str) -> list[str]:
    """Return the words of a line that are no words."""
    found = []
    for word in WORD.findall(NO_PROSE.sub(" ", text)):
        bare = re.sub(r"'s$", "", word).lower()
        listed = own() & {bare, bare.removesuffix("s")}
        if len(bare) > 1 and not listed and dictionary()[bare] < RARE:
            found.append(word)
    return found


def told(file: Path) -> Iterator[tuple[int, str]]:
    """Return the numbered lines of a file that are prose."""
    if file.suffix == ".md":
        yield from prose_lines(file)
    elif file.suffix == ".py" and parses(file):
        source = file.read_text()
        for node in ast.walk(ast.parse(source)):
            documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
            if isinstance(node, documented) and ast.get_docstring(node):
                first, text = node.body[0].lineno, ast.get_docstring(node, clean=False) or ""
                lines = enumerate(text.splitlines(), start=first)
                yield from ((n, line) for n, line in lines if not re.match(r"\s*(?:>>>|#>)", line))
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                text = token.string
                yield token.start[0], "" if any(quiet in text for quiet in QUIET) else text


def hold(file: Path) -> list[RefusedError]:
    """Return what is misspelt in a file, each with the nearest word."""
    found = []
    for line, text in told(file):
        for word in misspelt(text):
            near = dictionary().correction(word.lower())
            like = f"Write {near!r}" if near and near != word.lower() else "Mend it"
            cure = f"{like}, or put it in backticks if it is code, or in snippets/data/words.toml"
            found.append(RefusedError(file, line, f"{word!r} is misspelt", cure))
    return found
