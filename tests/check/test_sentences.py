"""The last word on sentences: those of the built HTML are those of the ledger.

Nothing here trusts what reads the Markdown: sentences come from the HTML, and their hashes too.
"""

import ast
import copy
import functools
import hashlib
import re
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup, Tag

from tests.check.test_oracle import pages
from tests.engine.pages import DOCS, ROOT

UNITS = ["h1", "h2", "h3", "h4", "h5", "h6", "p", "li", "tr", "summary", "dt", "dd", "figcaption"]
NO_PROSE = ["pre", "script", "style", "template", "noscript", ".headerlink", ".filename"]
NO_PROSE += [".md-content__button", ".doc", ".proof", ".highlight", ".rows", ".rows-filter"]
NO_PROSE += ["[data-ledger]", "[data-made]", "[data-service]"]
END = re.compile(r"(?<!e\.g\.)(?<!i\.e\.)(?<!vs\.)(?<=[.!?])[\"')]*\s+")


def own_text(unit: Tag) -> str:
    """Return the text of a unit without that of the units in it."""
    own = copy.copy(unit)
    for inner in own.find_all([*UNITS, "ul", "ol", "svg"]):
        inner.extract()
    if unit.name == "tr":
        return " | ".join(cell.get_text().strip() for cell in own.find_all(["th", "td"]))
    return own.get_text()


def said(page: BeautifulSoup) -> set[str]:
    """Return the sentences that a built page shows."""
    article = page.select_one("article")
    assert article, "the page has no article"
    article = copy.copy(article)
    for element in article.select(", ".join(NO_PROSE)):
        element.extract()
    texts = [(unit.name, own_text(unit)) for unit in article.find_all(UNITS)]
    texts += [("img", str(image["alt"])) for image in article.select("img[alt]:not([alt=''])")]
    texts += [
        ("svg", each.get_text()) for each in article.select("svg.picture > title, svg > desc")
    ]
    found = set[str]()
    for name, text in texts:
        whole = " ".join(text.split())
        found |= {whole} if name not in ("p", "li", "dd", "figcaption") else set(END.split(whole))
    return {sentence.strip() for sentence in found} - {""}


def test_each_sentence_of_the_site_is_in_the_ledger_and_none_else(
    site: Path, recorded: dict[str, Any]
) -> None:
    bound = {claim["page"] for claim in recorded["claims"]}
    assert bound, "the ledger holds no sentence at all"
    for page in sorted(bound & set(pages(site))):
        known = {c["sentence"] for c in recorded["claims"] if c["page"] == page}
        shown = said(pages(site)[page])
        assert shown - known == set(), f"docs/{page}:1: the site says what the ledger doesn't know"
        assert known - shown == set(), f"docs/{page}:1: the ledger knows what the site doesn't say"


def test_each_sentence_is_held(recorded: dict[str, Any]) -> None:
    for claim in recorded["claims"]:
        where = f"docs/{claim['page']}:{claim['line']}: {claim['sentence']!r}"
        assert claim["outcome"] == "passed", where
        assert claim["sha256"] == hashlib.sha256(claim["sentence"].encode()).hexdigest(), where
        assert bool(claim["tests"]) == bool(claim["checks"]) == (claim["kind"] == "held"), where


@functools.cache
def functions(file: str) -> dict[str, set[str]]:
    """Return the texts of each function of a file, without marks of code and emphasis."""
    return {
        node.name: {
            re.sub(r"[`*]", "", str(constant.value))
            for constant in ast.walk(node)
            if isinstance(constant, ast.Constant)
        }
        for node in ast.parse((ROOT / file).read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_each_test_of_a_sentence_names_it(recorded: dict[str, Any]) -> None:
    for claim in recorded["claims"]:
        for test in claim["tests"]:
            file, name = test.split("::")
            words = re.sub(r"[`*]", "", claim["sentence"])
            assert words in functions(file).get(name, ()), test


def test_each_bound_page_is_there(recorded: dict[str, Any]) -> None:
    for page in {claim["page"] for claim in recorded["claims"]}:
        assert (DOCS / page).exists() or (ROOT / page).exists(), page
