"""Read the blocks of a page.

A block is a fence whose title is a file under `snippets/` and whose body is one
include of that file, nothing else. Whatever else stands in a fence is a `Refusal`.
"""

import ast
import functools
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
import yaml_env_tag
from markdown import Markdown
from pymdownx.snippets import SnippetMissingError, SnippetPreprocessor
from sybil import Document, Region
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SNIPPETS = ROOT / "snippets"

SUFFIXES = {
    "python": ".py",
    "sh": ".sh",
    "toml": ".toml",
    "text": ".out",
    "markdown": ".md",
}

LEXER = RawFencedCodeBlockLexer(re.compile(r"(?P<info>[^\n]*)\n?"))
INFO = re.compile(r'(?P<language>[a-z]+) title="(?P<title>[^"]+)"')
INCLUDE = re.compile(r'--8<-- "(?P<path>[^":]+)(?::(?P<section>[a-z][-_0-9a-z]*))?"')
WAY_OUT = (
    "Move the code to a file under snippets/ and write the fence as "
    '```python title="chapter/page/name.py", with --8<-- "chapter/page/name.py" alone in it'
)


class RefusedError(Exception):
    """A contribution that can't be shown: says where, why and what to do."""

    def __init__(self, path: Path, line: int, reason: str, cure: str) -> None:
        where = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        super().__init__(f"{where}:{line}: {' '.join(reason.split())[:400]}. {cure}.")


Refuse = Callable[[str, str], RefusedError]


class Line(str):
    """A line of a snippet that knows its number in the file (from 1)."""

    __slots__ = ("number",)
    number: int


@dataclass(frozen=True)
class Block:
    """A block of a page: what the reader sees, and the file that it comes from."""

    page: Path
    ordinal: int
    line: int
    language: str
    path: str
    section: str | None
    text: str
    lines: frozenset[int]
    under: str

    @property
    def id(self) -> str:
        """The page and the block's place on it, such as `concurrency/timeouts:2`."""
        return f"{self.page.relative_to(DOCS).with_suffix('')}:{self.ordinal}"

    @property
    def file(self) -> Path:
        """The snippet's file."""
        return SNIPPETS / self.path

    @property
    def sha256(self) -> str:
        """The hash of the text shown, without trailing newlines, as UTF-8."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def refuse(self, reason: str, cure: str, line: int | None = None) -> RefusedError:
        """Return the refusal of this block, at a line of its file or at its fence."""
        if line is None:
            return RefusedError(self.page, self.line, reason, cure)
        return RefusedError(self.file, line, reason, cure)


def fences(document: Document) -> list[Region]:
    """Return the outermost fences of a page, in order."""
    found: list[Region] = []
    for region in sorted(LEXER(document), key=lambda region: (region.start, -region.end)):
        if not found or region.start >= found[-1].end:
            found.append(region)
    return found


def parse(document: Document) -> Iterator[Region]:
    """Give sybil one region a fence, whose `parsed` is its block or its refusal."""
    page = Path(document.path)
    for ordinal, region in enumerate(fences(document), start=1):
        line = document.text.count("\n", 0, region.start) + 1
        above = re.findall(r"^#+ (.+)", document.text[: region.start], re.MULTILINE)
        try:
            region.parsed = read(page, ordinal, line, region, above[-1] if above else "")
        except RefusedError as refusal:
            region.parsed = refusal
        yield region


def read(page: Path, ordinal: int, line: int, region: Region, under: str) -> Block:
    """Return the block of a fence, or raise `RefusedError`."""

    def refuse(reason: str, cure: str = WAY_OUT) -> RefusedError:
        return RefusedError(page, line, reason, cure)

    info = INFO.fullmatch(region.lexemes["info"].strip())
    if not info:
        raise refuse(f"the fence is labelled {region.lexemes['info'].strip()!r}")
    body = region.lexemes["source"].rstrip("\n")
    include = INCLUDE.fullmatch(body)
    if not include:
        raise refuse("the fence holds something else than one include")
    path, section, language = include["path"], include["section"], info["language"]
    if info["title"] != path:
        raise refuse(
            f"the title names {info['title']} but the include shows {path}",
            f'Write title="{path}", or include the file that the title names',
        )
    if SUFFIXES.get(language) != Path(path).suffix:
        known = ", ".join(f"{name} for {suffix}" for name, suffix in SUFFIXES.items())
        raise refuse(f"{language} is no label for {path}", f"Use one of: {known}")
    lines = resolve(path, section, refuse)
    return Block(
        page=page,
        ordinal=ordinal,
        line=line,
        language=language,
        path=path,
        section=section,
        text="\n".join(lines).rstrip("\n"),
        lines=frozenset(line.number for line in lines),
        under=under,
    )


def parses(file: Path) -> bool:
    """Tell whether a file is Python at all."""
    try:
        ast.parse(file.read_text())
    except (SyntaxError, UnicodeDecodeError):
        return False
    return True


@functools.cache
def resolver() -> SnippetPreprocessor:
    """Return the site's own resolver of includes, with the site's options."""
    loader = yaml_env_tag.add_env_tag(yaml.SafeLoader)
    site = yaml.load((ROOT / "mkdocs.yml").read_text(), loader)  # noqa: S506  a safe loader
    (options,) = (
        extension["pymdownx.snippets"]
        for extension in site["markdown_extensions"]
        if "pymdownx.snippets" in extension
    )
    options |= {"base_path": [ROOT / base for base in options["base_path"]]}
    markdown = Markdown(
        extensions=["pymdownx.snippets"],
        extension_configs={"pymdownx.snippets": options},
    )
    preprocessor: SnippetPreprocessor = markdown.preprocessors["snippet"]
    return preprocessor


def resolve(path: str, section: str | None, refuse: Refuse) -> list[Line]:
    """Return the lines that an include shows, as the site would."""
    file = SNIPPETS / path
    if not file.is_file():
        raise refuse(f"there is no file snippets/{path}", "Add it, or mend the path")
    numbered = []
    for number, text in enumerate(resolver().read_lines(file), start=1):
        numbered.append(Line(text))
        numbered[-1].number = number
    if section is not None:
        numbered = section_of(numbered, path, section, refuse)
    target = path if section is None else f"{path}:{section}"
    shown = resolver().run([f'--8<-- "{target}"'])
    if not "".join(shown).strip():
        raise refuse(f"snippets/{target} is empty", "Write it, or drop the block")
    kept = [line for line in numbered if not resolver().match_section(line)]
    if [*kept] != shown:  # an escaped or nested include: shown, but with no line of its own
        kept = [Line(text) for text in shown]
        for line in kept:
            line.number = 0
    return kept


def section_of(
    lines: list[Line], path: str, section: str, refuse: Refuse
) -> list[Line]:
    """Return the lines of a section, which must have a start and an end."""
    markers = [found for line in lines if (found := resolver().match_section(line))]
    kinds = [found["type"] for found in markers if found["name"] == section]
    if kinds != ["start", "end"]:
        raise refuse(
            f"snippets/{path} has no section {section} with one start and one end",
            f"Write `# --8<-- [start:{section}]` above it and "
            f"`# --8<-- [end:{section}]` below it",
        )
    try:
        found: Iterable[Line] = resolver().extract_section(section, lines)
    except SnippetMissingError as error:
        raise refuse(str(error), "Mend the section's name") from error
    return list(found)
