"""Hold what a built site shows against what is known: each block's text, each claim's sentence."""

import collections
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup

from tests.check.test_oracle import code_blocks, pages, shown
from tests.check.test_sentences import said
from tests.publish.holds import RefusedError


@dataclass(frozen=True)
class Page:
    """What a page shows: the hashes of its blocks in order, and its sentences."""

    blocks: list[str] = field(default_factory=list)
    claims: set[str] = field(default_factory=set)


def of_site(site: Path) -> dict[str, Page]:
    """Return what each page of a built site shows."""
    try:
        built = pages(site)
    except FileNotFoundError as missing:
        page = Path(str(missing.filename)).relative_to(site.resolve())
        raise RefusedError(f"the site has no {page}. Mend what builds it") from None
    return {page: of_page(soup) for page, soup in built.items()}


def of_page(soup: BeautifulSoup) -> Page:
    """Return what a built page shows."""
    return Page([*map(shown, code_blocks(soup))], said(soup))


def of_ledger(told: dict[str, Any], site: dict[str, Page]) -> dict[str, Page]:
    """Return what each page of a site must show by the ledger."""
    known = collections.defaultdict[str, Page](Page, {page: Page() for page in site})
    for block in told["blocks"]:
        known[block["page"]].blocks.append(block["sha256"])
    for claim in told["claims"]:
        if claim["page"] in site:  # the README is bound too, and is no page
            known[claim["page"]].claims.add(claim["sentence"])
    return known


def differences(known: dict[str, Page], site: dict[str, Page]) -> Iterator[str]:
    """Return where a site shows another block or sentence than what is known."""
    for page in sorted(known.keys() | site.keys()):
        wanted, found = known.get(page, Page()), site.get(page, Page())
        pairs = itertools.zip_longest(wanted.blocks, found.blocks)
        for number, (one, other) in enumerate(pairs, start=1):
            if one != other:
                what = "has another text" if one and other else "is missing" if one else "is new"
                yield f"docs/{page}: block {number} {what}"
        gone, new = wanted.claims - found.claims, found.claims - wanted.claims
        yield from (f"docs/{page}: {sentence!r} is missing" for sentence in sorted(gone))
        yield from (f"docs/{page}: {sentence!r} is new" for sentence in sorted(new))


def hold(known: dict[str, Page], site: dict[str, Page]) -> tuple[int, int]:
    """Return how many blocks and claims are equal; refuse a site that shows others."""
    blocks = sum(len(page.blocks) for page in known.values())
    claims = sum(len(page.claims) for page in known.values())
    if not blocks or not claims:
        raise RefusedError(f"{blocks} blocks and {claims} claims are known. Run `make test`")
    if found := list(differences(known, site)):
        more = f", and {len(found) - 1} more" if found[1:] else ""
        raise RefusedError(f"{found[0]}{more}. Mend the templates, or what derives the options")
    return blocks, claims
