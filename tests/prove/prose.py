"""Hold what sentences say: inline code must be known, and versions must be true."""

import ast
import functools
import json
import pkgutil
import re
import subprocess
import textwrap
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from mypy.errorcodes import error_codes
from sybil import Document

from tests.engine.pages import (
    DOCS,
    INCLUDE,
    ROOT,
    SNIPPETS,
    Block,
    RefusedError,
    parse,
    parses,
    test_of,
)
from tests.prove.sentences import prose_lines

CODE = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)")
VERSION = re.compile(  # what is before "to" has the name
    r"(?<!\b[Bb]efore )(?<!\b[Ff]rom )(?<!\b[Ss]ince )(?<!\b[Uu]ntil )\b(?P<name>(?!to )[A-Za-z][\w-]*) v?(?P<version>\d+(?:\.\d+)+)\b"
)
SINCE = re.compile(r"\b(?:[Bb]efore|[Ff]rom|[Ss]ince|[Uu]ntil) Python (\d+)\.(\d+)")
WORDS = "three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|fifty"
FIGURE = re.compile(
    rf"(?<![\w.#-])(?:\d+(?:\.\d+)?%?|(?i:{WORDS}|hundred|thousand))\b(?: +[a-z]+)?"
)
NO_FIGURE = re.compile(r"`[^`]*`|\]\([^)]*\)|<[^>]*>|^#+ .*|^\s*\d+\. |\[\^\d+\]")
ROOMS = (ROOT, SNIPPETS / "service/src")  # where the site looks for modules
VERSIONS = SNIPPETS / "data" / "versions.toml"
COMMANDS = SNIPPETS / "data" / "commands.toml"


def pages() -> list[Path]:
    """Return the pages of the site."""
    return sorted(DOCS.rglob("*.md"))


@functools.cache
def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page."""
    regions = parse(Document(page.read_text(), str(page)))
    return [region.parsed for region in regions if isinstance(region.parsed, Block)]


def pictures(page: Path) -> Iterator[tuple[int, Path]]:
    """Return the pictures that stand in a page, and their lines."""
    for number, line in prose_lines(page):
        if include := INCLUDE.fullmatch(line.strip()):
            yield number, SNIPPETS / include["path"]


def references(page: Path) -> Iterator[tuple[int, Path]]:
    """Return the modules whose reference a page shows, and the lines that say so."""
    for number, line in prose_lines(page):
        if line.startswith("::: "):
            name = line.removeprefix("::: ").replace(".", "/")
            yield from ((number, file) for room in ROOMS for file in room.glob(f"{name}.py"))
            yield from ((number, file) for room in ROOMS for file in room.glob(f"{name}/**/*.py"))


def hold_code(page: Path, held: set[str]) -> None:
    """Refuse inline code that is nothing known, and that no test knows which holds its sentence."""
    for number, line in prose_lines(page):
        for _, code in CODE.findall(line):
            if code.strip() not in held and not known(code.strip(), page):
                raise RefusedError(
                    page,
                    number,
                    f"`{code}` is no text of a block on this page, no importable name, "
                    "no path and no command that was run",
                    "Mend it, show it in a block, or write it without backticks",
                )


def known(code: str, page: Path) -> bool:
    """Tell whether inline code on a page is something that exists."""
    if any(re.search(rf"(?<!\w){re.escape(code)}(?!\w)", block.text) for block in blocks(page)):
        return True
    return stands(code, page) or code in rules() | required() or importable(code, page)


@functools.cache
def required() -> set[str]:
    """Return what the project requires, as it is written for pip, and without its extras."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    named = {name for group in groups.values() for name in group}
    return named | {name.partition("[")[0] for name in named}


@functools.cache
def rules() -> set[str]:
    """Return the names of the rules of ruff, of their families, and of mypy."""
    listed = [["ruff", "rule", "--all", "--output-format=json"]]
    listed += [["ruff", "linter", "--output-format=json"]]
    found = [json.loads(subprocess.run(c, capture_output=True, check=True).stdout) for c in listed]
    ruff = {rule["code"] for rule in found[0]} | {family["prefix"] for family in found[1]}
    return ruff | set(error_codes)


def importable(code: str, page: Path) -> bool:
    """Tell whether a dotted name exists, as such or through an import on the page."""
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(\(\))?", code):
        return False
    name = code.removesuffix("()")
    first, _, rest = name.partition(".")
    origins = {first, f"builtins.{first}", *(imports(page).get(first, []))}
    for origin in origins:
        try:
            pkgutil.resolve_name(".".join(filter(None, (origin, rest))))
        except (ImportError, AttributeError, ValueError):
            continue
        return True
    return False


def imports(page: Path) -> dict[str, list[str]]:
    """Return where the names come from that the blocks of a page import."""
    found: dict[str, list[str]] = {}
    for block in blocks(page):
        if block.language != "python" or not parses(block.file):
            continue
        for node in ast.walk(ast.parse(textwrap.dedent(block.text))):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    found.setdefault(alias.name, []).append(f"{node.module}.{alias.name}")
    return found


@functools.cache
def commands() -> set[str]:
    """Return the commands that are run: lines of shell blocks, and those with a test."""
    listed = set(tomllib.loads(COMMANDS.read_text()))
    scripts = [block for page in pages() for block in blocks(page) if block.language == "sh"]
    return listed | {line.strip() for script in scripts for line in script.text.splitlines()}


def figures_of(text: str) -> list[str]:
    """Return each figure of some Markdown, with the word after it."""
    found: list[str] = FIGURE.findall(SINCE.sub("", VERSION.sub("", NO_FIGURE.sub("", text))))
    return found


def figures(page: Path) -> Iterator[tuple[int, str]]:
    """Return each figure of the page's sentences, with the word after it, and its line."""
    for number, line in prose_lines(page):
        yield from ((number, found) for found in figures_of(line))


def figures_in(markdown: str, sentence: str) -> list[str]:
    """Return the figures of a paragraph that stand in one of its sentences."""
    found = figures_of(markdown)
    return [figure for figure in found if re.search(rf"(?<!\w){re.escape(figure)}\b", sentence)]


def codes_in(markdown: str, sentence: str) -> list[str]:
    """Return the inline code of a paragraph that stands in one of its sentences."""
    found = [code.strip() for _, code in CODE.findall(markdown)]
    return [code for code in found if re.search(rf"(?<!\w){re.escape(code)}(?!\w)", sentence)]


def stands(code: str, page: Path) -> bool:
    """Tell whether inline code is a path, or a command that was run."""
    own = SNIPPETS / page.relative_to(DOCS).with_suffix("") if page.is_relative_to(DOCS) else ROOT
    paths = any((base / code).exists() for base in (ROOT, SNIPPETS, DOCS, own))
    program, *named = code.split()
    proves = program == "pytest" and all((ROOT / each).exists() for each in named)
    return paths or proves or code in commands() or code in settings()


@functools.cache
def settings() -> set[str]:
    """Return the variables that the Makefile gives to the site."""
    return set(re.findall(r"!ENV \[(\w+)", (ROOT / "mkdocs.yml").read_text()))


def output_lines(block: Block) -> list[str]:
    """Return the lines that a block prints."""
    if block.language == "text":
        return block.text.splitlines()
    return re.findall(r"#> (.*)", block.text)


def printed(page: Path) -> str:
    """Return what the blocks of a page print."""
    return "\n".join(line for block in blocks(page) for line in output_lines(block))


def hold_figures(page: Path, given: set[str]) -> None:
    """Refuse a figure that is neither printed by a block of the page nor given by its tests."""
    for number, figure in figures(page):
        if figure not in given and not re.search(rf"(?<!\w){re.escape(figure)}\b", printed(page)):
            raise RefusedError(
                page,
                number,
                f"no run gives the figure {figure!r}",
                f"Mend it, or measure it in {test_of(page)}: record_property gives {figure!r}",
            )


def hold_navigation(page: Path) -> None:
    """Refuse a page to which the navigation doesn't lead, or by another title than its own."""
    path = page.relative_to(DOCS).as_posix()
    nav = (ROOT / "mkdocs.yml").read_text().partition("\nnav:")[2]
    entry = re.search(rf"^ *- (?:(.+): )?{re.escape(path)}$", nav, re.MULTILINE)
    if not entry:
        cure = f"Add the line `- Title: {path}` there, below its neighbour's"
        raise RefusedError(page, 1, "the navigation in mkdocs.yml does not lead to it", cure)
    title = next((line[2:] for _, line in prose_lines(page) if line.startswith("# ")), "")
    if entry[1] not in (None, title) and path != "index.md":  # the home page is Home there
        reason = f"the navigation in mkdocs.yml calls it {entry[1]!r}, and its title is {title!r}"
        raise RefusedError(page, 1, reason, "Give both the same title")


def installed() -> dict[str, str]:
    """Return the versions that sentences may name, as they are in this environment."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = tomllib.loads(VERSIONS.read_text())
    floor = project["requires-python"].removeprefix(">=")
    return {name: floor if name == "python" else metadata.version(name) for name in names}


def hold_versions(page: Path) -> None:
    """Refuse a version in a sentence that is not the one in the data file."""
    recorded = tomllib.loads(VERSIONS.read_text())
    for number, line in prose_lines(page):
        for match in VERSION.finditer(line):
            name, version = match["name"], match["version"]
            if recorded.get(name.lower()) != version:
                raise RefusedError(
                    page,
                    number,
                    f"{name} {version} is not the version in snippets/data/versions.toml",
                    "Run `make update`, or add the name to that file",
                )


def update_versions() -> None:
    """Write the installed versions into the data file, and from there into sentences."""
    versions = installed()

    def renew(match: re.Match[str]) -> str:
        version = versions.get(match["name"].lower(), match["version"])
        return match[0].replace(match["version"], version)

    data = VERSIONS.read_text()
    for name, version in versions.items():
        data = re.sub(rf'^{name} = ".*"$', f'{name} = "{version}"', data, flags=re.MULTILINE)
    VERSIONS.write_text(data)
    for page in [*pages(), ROOT / "README.md"]:
        lines = page.read_text().splitlines(keepends=True)
        for number, line in prose_lines(page):
            if VERSION.search(line):
                lines[number - 1] = VERSION.sub(renew, lines[number - 1])
        page.write_text("".join(lines))
