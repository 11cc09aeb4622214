"""The last word: the code blocks of the built HTML are the blocks of the ledger.

Nothing here trusts the engine: hashes come from the HTML, executable lines from the
syntax tree, names of tests from the files that hold them.
"""

import ast
import functools
import hashlib
import json
import os
import posixpath
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup, Tag
from jinja2 import Environment
from jsonschema import Draft202012Validator
from packaging.version import Version

from tests.engine import ledger
from tests.engine.pages import DOCS, ROOT, SNIPPETS, RefusedError
from tests.prove import prose

SCHEMA = ROOT / "tests/engine/ledger.schema.json"
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@functools.cache  # no test changes what it is given
def read(path: Path) -> BeautifulSoup:
    """Return a page of the built site."""
    return BeautifulSoup(path.read_text(), "html.parser")


@functools.cache
def pages(site: Path) -> dict[str, BeautifulSoup]:
    """Return each page of the built site by its source, without Material's own."""
    found = {}
    for source in prose.pages():
        name = source.relative_to(DOCS).with_suffix("")
        path = site / (name.parent if name.name == "index" else name) / "index.html"
        found[f"{name}.md"] = read(path.resolve())
    return found


def code_blocks(page: BeautifulSoup) -> list[Tag]:
    """Return the code blocks of a page, but for signatures and source of the reference."""
    generated = ["doc-signature", "mkdocstrings-source"]
    return [
        block for block in page.select("article pre") if not block.find_parent(class_=generated)
    ]


def shown(block: Tag) -> str:
    """Return the hash of what a block shows."""
    return hashlib.sha256(block.get_text().rstrip("\n").encode()).hexdigest()


def stub(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Tell whether a function on one line only says that it is there, as in a protocol."""
    return node.body[0].lineno == node.lineno and ast.unparse(node.body[0]) == "..."


def executable(source: str) -> set[int]:
    """Return the first line of each statement that Python runs.

    A docstring, a stub on one line, `nonlocal` and `...` leave nothing to run.
    """
    lines: set[int] = set()
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Nonlocal | ast.Global):
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.match_case):
            lines.add(node.pattern.lineno)
        elif isinstance(node, ast.stmt | ast.ExceptHandler):
            lines.add(node.lineno)
            lines |= {decorator.lineno for decorator in getattr(node, "decorator_list", [])}
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
            docstrings.add(node.body[0].lineno)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and stub(node):
            docstrings.add(node.lineno)
    return lines - docstrings


def within(source: str, section: str | None) -> set[int]:
    """Return the lines of a file between the two marks of a section, or all.

    The examples of a docstring are named as sections too, and have no marks.
    """
    texts = [line.strip() for line in source.splitlines()]
    marks = [f"# --8<-- [{end}:{section}]" for end in ("start", "end")]
    if section and not set(marks) <= set(texts):
        return set()
    start, end = (texts.index(mark) for mark in marks) if section else (-1, len(texts))
    return set(range(start + 2, end + 1))


def attribute(page: Tag, selector: str, name: str) -> str:
    """Return an attribute of the first element that a selector finds."""
    found = page.select_one(selector)
    assert found, f"the page has no {selector}"
    return str(found[name])


def test_mkdocs_warns_of_nothing(site: Path) -> None:
    said = (site.parent / "said").read_text()
    for warning in re.findall(r"^(?:WARNING|ERROR) +- +(.+)$", said, re.MULTILINE):
        named = re.search(r"'([^']+\.md)'.*?'([^']+)'", warning)
        page = DOCS / named[1] if named else ROOT / "mkdocs.yml"
        lines = page.read_text().splitlines()
        line = next((n for n, text in enumerate(lines, 1) if named and named[2] in text), 1)
        raise RefusedError(page, line, warning.rstrip("."), "Mend the link or what it leads to")


def test_each_module_of_the_service_is_in_the_reference_once() -> None:
    room = SNIPPETS / "service/src"
    files = [file.relative_to(room) for file in room.rglob("*.py")]
    modules = [".".join(file.with_suffix("").parts).removesuffix(".__init__") for file in files]
    texts = [page.read_text() for page in sorted((DOCS / "reference").glob("*.md"))]
    shown = re.findall(r"^::: (\S+)$", "\n".join(texts), re.MULTILINE)
    assert sorted(shown) == sorted(modules)


def test_the_ledger_keeps_its_schema(recorded: dict[str, Any]) -> None:
    schema = json.loads(SCHEMA.read_text())
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(recorded)


def test_each_page_names_the_ledger_that_it_was_built_with(
    site: Path, recorded: dict[str, Any]
) -> None:
    for soup in pages(site).values():
        assert attribute(soup, "meta[name=ledger]", "content") == recorded["digest"]


def test_no_text_in_a_ledger_reads_as_a_tag_of_a_template() -> None:
    told = {"runs": [], "digest": "0" * 64, "blocks": ["{{ x", "{% x", "{# x", "a{b}"]}
    text = ledger.text(told)
    assert json.loads(text) == told
    assert Environment(autoescape=True).from_string(text).render() == text
    assert text[14:78] == told["digest"]


def test_each_block_of_the_site_is_in_the_ledger_and_none_else(
    site: Path, recorded: dict[str, Any]
) -> None:
    built = [
        (f"{page.removesuffix('.md')}:{ordinal}", shown(block))
        for page, soup in pages(site).items()
        for ordinal, block in enumerate(code_blocks(soup), start=1)
    ]
    known = [(block["id"], block["sha256"]) for block in recorded["blocks"]]
    assert built, "the site shows no block at all"
    for block in sorted(set(built) ^ set(known)):
        where = (
            "the site shows it and the ledger does not"
            if block in built
            else "the ledger holds it and the site does not show it"
        )
        page = block[0].split(":")[0]
        raise AssertionError(
            f"docs/{page}.md:1: block {block[0]}, text {block[1][:12]}: {where}. "
            "Show code only as a fence with one include, and run `make test`."
        )


def test_each_title_is_the_file(site: Path, recorded: dict[str, Any]) -> None:
    for page, soup in pages(site).items():
        paths = [block["path"] for block in recorded["blocks"] if block["page"] == page]
        titles = soup.select("article .highlight > .filename")
        assert [title.get_text().removeprefix("proof") for title in titles] == paths


def deferred(block: dict[str, Any], recorded: dict[str, Any]) -> bool:
    """Tell whether a block needs a newer Python than any of those that the ledger is of."""
    versions = [Version(run["python"]) for run in recorded["runs"]]
    return all(version < Version(block.get("since", "0")) for version in versions)


def test_each_block_is_proven(recorded: dict[str, Any]) -> None:
    told = recorded.get("service", {}).get("skipped") and not os.environ.get("REQUIRE_IMAGE")
    for block in recorded["blocks"]:
        outcomes = {proof["outcome"] for proof in block["proofs"]}
        wanted = {"passed", "skipped"} if told else {"passed"}
        wanted = {"skipped"} if deferred(block, recorded) else wanted
        assert outcomes and outcomes <= wanted, f"docs/{block['page']}:{block['line']}: {outcomes}"


def test_each_executable_line_ran(site: Path, recorded: dict[str, Any]) -> None:
    for block in recorded["blocks"]:
        (proof,) = block["proofs"]
        if deferred(block, recorded):
            continue
        source = (SNIPPETS / block["path"]).read_text()
        lines = executable(source) if block["language"] == "python" else set()
        if shown_lines := within(source, block["section"]):
            assert set(proof["executable"]) == lines & shown_lines, block["id"]
        assert set(proof["executed"]) == set(proof["executable"]) <= lines, block["id"]


@functools.cache
def functions(path: str) -> set[str]:
    """Return the names of the functions of a file, and of the methods behind their class's."""
    found = set[str]()
    for node in ast.parse((ROOT / path).read_text()).body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        both = ast.FunctionDef | ast.AsyncFunctionDef
        found |= {prefix + each.name for each in inner if isinstance(each, both)}
    return found


def exists(test: str) -> bool:
    """Tell whether a file has the test, or a page the block, that a test is named for."""
    path, _, name = test.partition("::")
    if block := re.fullmatch(r"line (\d+) (?:run|proof) (.+)", name):
        return f'title="{block[2]}"' in (ROOT / path).read_text().splitlines()[int(block[1]) - 1]
    return name.partition("[")[0] in functions(path)


def test_each_named_test_exists(recorded: dict[str, Any]) -> None:
    for block in recorded["blocks"]:
        tests = block["proofs"][0]["tests"]
        skipped = block["proofs"][0]["outcome"] == "skipped"
        assert tests or skipped, f"docs/{block['page']}:{block['line']}: no test is named"
        gone = [test for test in tests if not exists(test)]
        assert not gone, f"docs/{block['page']}:{block['line']}: no such tests: {gone}"


def test_the_runs_are_of_this_project(recorded: dict[str, Any]) -> None:
    runs = {run["id"] for run in recorded["runs"]}
    used = {proof["run"] for block in recorded["blocks"] for proof in block["proofs"]}
    used |= {run for block in recorded["blocks"] for run in block.get("pythons", {}).values()}
    assert runs == used
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    if head.returncode == 0:
        commit = recorded["runs"][-1]["commit"]
        assert commit and commit.removesuffix("-dirty") == head.stdout.strip()


def quoted(code: Tag, page: str) -> list[str]:
    """Return the pages that a table's row leads to: it may quote their sentences."""
    row = code.find_parent("tr")
    links = row.select("a[href]") if row else []
    paths = [
        posixpath.join(page.removesuffix(".md").removesuffix("index"), str(link["href"]))
        for link in links
    ]
    names = [posixpath.normpath(path.partition("#")[0]) for path in paths if ":" not in path]
    return [f"{name}.md" for name in names if (DOCS / f"{name}.md").is_file()]


def test_inline_code_in_the_html_is_known(site: Path, recorded: dict[str, Any]) -> None:
    held = {(c["page"], c["sentence"]) for c in recorded["claims"] if c["kind"] == "held"}
    for page, soup in pages(site).items():
        for code in soup.select("article code"):
            inline = not code.find_parent(["pre", "summary"])
            inline &= not code.find_parent(attrs={"data-row": True})
            inline &= not code.find_parent(class_="doc")  # names of the reference itself
            if inline:
                places = [page, *quoted(code, page)]
                sentences = [sentence for where, sentence in held if where in places]
                assert (  # a test knows what it holds
                    any(code.get_text() in sentence for sentence in sentences)
                    or any(prose.known(code.get_text(), DOCS / place) for place in places)
                ), f"docs/{page}: `{code.get_text()}`"


def test_the_proof_page_has_a_row_for_each_block(site: Path, recorded: dict[str, Any]) -> None:
    soup = pages(site)["proof.md"]
    rows = [row["id"] for row in soup.select("[data-row]")]
    assert sorted(rows) == sorted(block["id"] for block in recorded["blocks"])
    blocks = functools.cache(lambda path: read(path).select("article .highlight:has(> .filename)"))
    for row in soup.select("[data-row]"):
        page, _, fragment = attribute(row, "a", "href").partition("#")
        shown = blocks((site / "proof" / page / "index.html").resolve())
        block = shown[int(str(row["id"]).partition(":")[2]) - 1]
        # In a docstring a block's lines have no name; a script names it.
        assert block.find(id=fragment) or block.find_parent(class_="doc"), row["id"]
    ids = {str(element["id"]) for element in soup.select("[id]")}
    for built in pages(site).values():
        for link in built.select(".proof-link"):
            assert str(link["href"]).partition("#")[2] in ids


def test_the_search_index_holds_no_proof(site: Path) -> None:
    index = json.loads((site / "search/search_index.json").read_text())
    texts = json.dumps(index["docs"])
    assert "bounded" in texts and "proof-link" not in texts and "No run is recorded." not in texts


@pytest.mark.parametrize("page", ["index.md", "concurrency/timeouts.md"])
def test_a_fork_is_right_without_edits(site: Path, address: str, page: str) -> None:
    soup = pages(site)[page]
    edit = attribute(soup, 'a[rel="edit"]', "href")
    assert edit == f"https://example.org/fork/playbook/edit/main/docs/{page}"
    assert attribute(soup, ".md-source", "href") == "https://example.org/fork/playbook"
    assert attribute(soup, 'link[rel="canonical"]', "href").startswith(address)
