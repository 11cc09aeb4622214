"""Read the blocks of a page.

A block is a fence that is titled with a file under `snippets/` and holds one include of it, alone.
"""

import contextlib
import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown import Markdown
from pymdownx.snippets import SnippetPreprocessor
from sybil import Document, Region
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

ROOT = Path(__file__).parents[2]
DOCS, SNIPPETS = ROOT / "docs", ROOT / "snippets"
HOME = "snippets/service/"  # before the names of the service's tests
SUFFIXES = {
    "python": ".py",
    "diff": ".patch",
    "sh": ".sh",
    "toml": ".toml",
    "ini": ".ini",
    "json": ".json",
    "yaml": ".yml",
    "sql": ".sql",
    "mako": ".mako",
    "text": ".out",
    "markdown": ".md",
    "dockerfile": "Dockerfile",  # a name without a suffix
    "makefile": "Makefile",
    "nginx": ".conf",
    "ignore": ".dockerignore",
}

LEXER = RawFencedCodeBlockLexer(re.compile(r"(?P<info>[^\n]*)\n?"))
INFO = re.compile(r'(?P<language>[a-z]+) title="(?P<title>[^"]+)"(?: hl_lines="[-0-9 ]+")?')
INCLUDE = re.compile(r'--8<-- "(?P<path>[^":]+)(?::(?P<section>[a-z][-_0-9a-z]*))?"')
WRITE = (
    "Move the code to a file under snippets/ and write the fence as "
    '```python title="chapter/page/name.py", with --8<-- "chapter/page/name.py" alone in it'
)
Refuse = Callable[[str, str], Exception]


class RefusedError(Exception):
    """What can't be shown: where, why and what to do."""

    def __init__(self, path: Path, line: int, reason: str, cure: str) -> None:
        where = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        super().__init__(f"{where}:{line}: {' '.join(reason.split())[:400]}. {cure}.")

    @classmethod
    def of(cls, refusals: "list[RefusedError]") -> "RefusedError":
        """Return several as one, a line each."""
        refusals[0].args = ("\n".join(map(str, refusals)),)
        return refusals[0]


@dataclass(frozen=True)
class Block:
    """A block of a page: what the reader sees, and the file that it comes from."""

    page: Path
    ordinal: int
    line: int
    heading: str
    language: str
    path: str
    section: str | None
    text: str
    lines: frozenset[int]

    @property
    def id(self) -> str:
        """The page and the block's place on it, such as `concurrency/timeouts:2`."""
        return f"{self.page.relative_to(DOCS).with_suffix('')}:{self.ordinal}"

    @property
    def file(self) -> Path:
        """The snippet's file."""
        return SNIPPETS / self.path

    @property
    def of_service(self) -> bool:
        """Tell whether the service's own tests prove the block."""
        return self.file.is_relative_to(ROOT / HOME)

    def refuse(self, reason: str, cure: str, line: int | None = None) -> RefusedError:
        """Return the refusal of this block, at a line of its file or at its fence."""
        return RefusedError(self.file if line else self.page, line or self.line, reason, cure)


def test_of(page: Path) -> Path:
    """Return the file with the tests of a page, from the root of the project."""
    room = DOCS if page.is_relative_to(DOCS) else ROOT
    return Path("tests/prove", page.relative_to(room).parent, f"test_{page.stem.lower()}.py")


def fences(document: Document) -> list[Region]:
    """Return the outermost fences of a page, in order."""
    found: list[Region] = []
    for region in sorted(LEXER(document), key=lambda region: (region.start, -region.end)):
        if not found or region.start >= found[-1].end:
            found.append(region)
    return found


def parse(document: Document) -> Iterator[Region]:
    """Give sybil a region for each fence; its `parsed` is the block, or the refusal."""
    for ordinal, region in enumerate(fences(document), start=1):
        try:
            region.parsed = read(document, ordinal, region)
        except RefusedError as refusal:
            region.parsed = refusal
        yield region


def read(document: Document, ordinal: int, region: Region) -> Block:
    """Return the block of a fence, or raise `RefusedError`."""
    page, before = Path(document.path), document.text[: region.start]
    line = before.count("\n") + 1
    refuse = functools.partial(RefusedError, page, line)
    label = region.lexemes["info"].strip()
    info = INFO.fullmatch(label)
    if not info:
        raise refuse(f"the fence is labelled {label!r}", WRITE)
    include = INCLUDE.fullmatch(region.lexemes["source"].rstrip("\n"))
    if not include:
        raise refuse("the fence holds something else than one include", WRITE)
    path, language = include["path"], info["language"]
    if info["title"] != path:
        reason = f"the title names {info['title']} but the include shows {path}"
        raise refuse(reason, f'Write title="{path}", or include the file that the title names')
    if SUFFIXES.get(language) != (Path(path).suffix or Path(path).name):
        known = ", ".join(f"{name} for {suffix}" for name, suffix in SUFFIXES.items())
        raise refuse(f"{language} is no label for {path}", f"Use one of: {known}")
    if not (SNIPPETS / path).is_file():
        raise refuse(f"there is no file snippets/{path}", "Add it, or mend the path")
    lines = shown_lines(path, include["section"], refuse)
    text = "\n".join(resolver().run([include[0]])).rstrip("\n")
    if not text.strip():
        raise refuse(f"snippets/{include[0][8:-1]} is empty", "Write it, or drop the block")
    heading = re.findall(r"^#+ (.+)", before, re.MULTILINE)[-1:] or [""]
    return Block(page, ordinal, line, heading[0], language, path, include["section"], text, lines)


def shown_lines(path: str, section: str | None, refuse: Refuse) -> frozenset[int]:
    """Return the numbers of the lines that an include shows, from 1."""
    lines, mark_of = (SNIPPETS / path).read_text().splitlines(), resolver().RE_SNIPPET_SECTION.match
    marks = [(n, mark_of(line)) for n, line in enumerate(lines, start=1)]
    ends = [(n, mark["type"]) for n, mark in marks if mark and mark["name"] == section]
    if section is None:
        ends = [(0, "start"), (len(lines) + 1, "end")]
    if [kind for _, kind in ends] != ["start", "end"]:
        cure = f"Write `# --8<-- [start:{section}]` above and `# --8<-- [end:{section}]` below it"
        raise refuse(f"snippets/{path} has no section {section} with one start and one end", cure)
    return frozenset(range(ends[0][0] + 1, ends[1][0]))


@functools.cache
def resolver() -> SnippetPreprocessor:
    """Return the site's own resolver of includes, set as in mkdocs.yml."""
    options = {"pymdownx.snippets": {"base_path": [SNIPPETS], "check_paths": True}}
    markdown = Markdown(extensions=list(options), extension_configs=options)
    preprocessor: SnippetPreprocessor = markdown.preprocessors["snippet"]
    return preprocessor


@functools.cache
def parses(file: Path) -> bool:
    """Tell whether a file is Python at all."""
    if file.suffix != ".py":
        return False
    with contextlib.suppress(SyntaxError, UnicodeDecodeError):
        return bool(compile(file.read_text(), file, "exec"))
    return False
