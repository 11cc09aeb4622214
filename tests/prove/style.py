"""Hold a page to the house style: its sections in order, and sentences that read well.

A page of a chapter begins with its title and "When you need this", then "The rule". "Do", "Don't"
and headings of its own stand between. "In your code", "Why", "Check" and "See also" end it.
"""

import bisect
import functools
import itertools
import re
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

from proselint.checks import __register__
from proselint.registry import CheckRegistry
from proselint.tools import LintFile

from tests.engine.pages import DOCS, SNIPPETS, RefusedError
from tests.prove import claims, places, prose, spelling
from tests.prove.sentences import LINK, Sentence, sentences

ORDER = ["When you need this", "The rule", "Do", "In your code", "Why", "Check", "See also"]
WANTED = {  # of each page, and what stands there
    "When you need this": "what the reader sees when it goes wrong, in two or three sentences",
    "The rule": "one sentence that tells the reader what to do",
    "Check": "a test, a rule, a configuration or a command to copy",
    "See also": "the neighbours, and the library's own documentation",
}
UNFORMED = {
    "start/glossary.md",
}  # no rule stands on them: the latter lists words
LENGTH = 30  # words: two ideas need more, one idea hardly does
BETWEEN = "\n\n0\n\n"  # two sentences, so that a word on both sides is no repetition
TIERS = re.compile(r"\[Tiers? [XSML]+(?:(?:, | and | to )[XSML]+)*\]\([^)]+\)")
LABEL = re.compile(
    r"\W*Tiers?\b(?:\W+(?:and |or |to )?(?:XS|S|M|L)\b)+(?=\W*$|[^\w\s]|\s\W)"
)  # no verb follows
NO_MATTER = {  # rules of proselint that know nothing of Markdown, of code or of our words
    "typography.symbols",
    "typography.punctuation.hyperbole",
    "typography.punctuation.exclamation",
    "misc.greylist",
    "restricted",
    "skunked_terms",
}


def in_chapter(page: Path) -> bool:
    """Tell whether a page belongs to a chapter, and so has its sections."""
    chapter = page.is_relative_to(DOCS) and page.parent not in (DOCS, DOCS / "reference")
    return chapter and page.stem != "index" and claims.page_id(page) not in UNFORMED


def hold(page: Path) -> None:
    """Refuse a page that is wrong in its words, its place, its links or its form."""
    refused = [*spelling.hold(page), *places.hold(page), *places.led(page), *hold_page(page)]
    if refused:
        raise RefusedError.of(refused)


def hold_page(page: Path) -> list[RefusedError]:
    """Return what speaks against the form of a page and of its sentences."""
    said = sentences(page)
    return [*(sections(page, said) if in_chapter(page) else []), *phrases(said)]


def label(heading: Sentence) -> str | None:
    """Return the label that a heading is, or begins with; a "don't" has the place of a "do"."""
    first = re.match(r"(?:Don't|Do)(?![\w'])", heading.text)
    return "Do" if first else heading.text if heading.text in ORDER else None


def sections(page: Path, said: list[Sentence]) -> list[RefusedError]:
    """Return what speaks against the sections of a page."""
    refuse = functools.partial(RefusedError, page)
    headings = [one for one in said if one.kind in ("heading", "label") and one.text == one.heading]
    found, last = [], -1
    if not (headings and page.read_text().splitlines()[said[0].line - 1].startswith("# ")):
        return [refuse(1, "it has no title", "Begin it with `# ` and the task, or the claim")]
    for one in said[1:2]:
        if one.text != ORDER[0]:
            cure = f"Put `## {ORDER[0]}` there, and what the reader sees when it goes wrong"
            found.append(refuse(one.line, "something else stands below the title", cure))
    for one in headings[1:]:
        place = ORDER.index(label(one) or "") if label(one) else last
        if place < last or (place == last and label(one) in WANTED):
            cure = f"Keep the order: {', '.join(ORDER)}, with claims of your own between"
            found.append(refuse(one.line, f"{one.text!r} stands below {ORDER[last]!r}", cure))
        last = max(place, last)
    names = [one.text for one in headings]
    for name, what in WANTED.items():
        if name not in names:
            last_line = said[-1].line
            found.append(refuse(last_line, f"it has no section {name!r}", f"Write {what}"))
    if "See also" in names and headings[-1].text != "See also":
        cure = "End the page with its links"
        found.append(refuse(headings[-1].line, "it stands below 'See also'", cure))
    for holds in (rule, check, see_also, tiers):
        found += holds(page, said)
    return found


def below(said: list[Sentence], heading: str) -> list[Sentence]:
    """Return the sentences of a section."""
    return [one for one in said if one.heading == heading and one.text != heading]


def rule(page: Path, said: list[Sentence]) -> list[RefusedError]:
    """Refuse a rule that tells nobody what to do."""
    for one in [one for one in said if one.text == "The rule"]:
        first = [*below(said, one.text), one][0]
        if not claims.instructs(first.text):
            cure = "Begin it with a verb that tells the reader what to do"
            return [RefusedError(page, first.line, f"this is no rule: {first.text!r}", cure)]
    return []


def check(page: Path, said: list[Sentence]) -> list[RefusedError]:
    """Refuse a Check with nothing to copy: no block, function, command, file or rule of a linter."""
    blocks = prose.blocks(page)
    codes = {code for one in below(said, "Check") for _, code in prose.CODE.findall(one.markdown)}
    told = any(block.heading == "Check" for block in blocks)
    told = told or any(
        re.search(rf"\b(?:def|class) {re.escape(c)}\b", b.text) for c in codes for b in blocks
    )
    told = told or any(prose.stands(code, page) or code in prose.rules() for code in codes)
    return [
        RefusedError(page, one.line, "Check has nothing to copy", f"Show {WANTED['Check']}")
        for one in said
        if one.text == "Check" and not told
    ]


def see_also(page: Path, said: list[Sentence]) -> list[RefusedError]:
    """Refuse links that don't lead to the documentation of a library."""
    hosts = [
        urlsplit(link[3]).hostname
        for one in below(said, "See also")
        for link in LINK.finditer(one.markdown)
    ]
    return [
        RefusedError(page, one.line, "no link leads to documentation", "Add the library's own")
        for one in said
        if one.text == "See also" and not set(hosts) & claims.documents()
    ]


def tiers(page: Path, said: list[Sentence]) -> list[RefusedError]:
    """Refuse tiers that stand anywhere but in the last line, as a link to what follows from them."""
    found = []
    for one in said:
        if LABEL.match(one.text) and not (
            one is said[-1] and TIERS.fullmatch(one.markdown.strip())
        ):
            cure = "End the page with a line such as `[Tiers M and L](...)`, or leave them out"
            found.append(RefusedError(page, one.line, "tiers stand here", cure))
    return found


@functools.cache
def patterns() -> dict[str, tuple[re.Pattern[str], str, str]]:
    """Return the expressions that sentences may not match, each with its reason and its cure."""
    told = tomllib.loads((SNIPPETS / "data/style.toml").read_text())
    return {n: (re.compile(t["pattern"]), t["reason"], t["cure"]) for n, t in told.items()}


def phrases(said: list[Sentence]) -> list[RefusedError]:
    """Return what speaks against the sentences of a page."""
    found = []
    for one in said:
        if one.kind == "heading" and one.text.endswith("."):
            found.append(claims.refusal(one, "a heading ends with a full stop", "Leave it out"))
        if one.kind not in ("text", "title"):
            continue
        if (length := len(one.text.split())) > LENGTH:
            reason = f"{length} words stand in one sentence"
            found.append(
                claims.refusal(one, reason, f"Make two of it: {LENGTH} words are the most")
            )
        bare = without_code(one)
        for expression, reason, cure in patterns().values():
            if match := expression.search(bare):
                what = f"{reason} ({match[0].strip()!r})"
                found.append(claims.refusal(one, what, cure))
    return [*found, *linted(said)]


def without_code(sentence: Sentence) -> str:
    """Return a sentence with a name in place of each piece of inline code."""
    text = sentence.text
    for number, code in enumerate(prose.codes_in(sentence.markdown, text)):
        text = text.replace(code, f"Code{number}")
    return text


def linted(said: list[Sentence]) -> list[RefusedError]:
    """Return what proselint says of sentences; it reads all at once, which costs least."""
    if not CheckRegistry().checks:
        CheckRegistry().register_many(__register__)
    texts = [without_code(one) for one in said]
    ends = list(itertools.accumulate(len(text) + len(BETWEEN) for text in texts))
    found = []
    for result in LintFile("a page", BETWEEN.join(texts)).lint() if texts else ():
        name, message, (start, _), *_ = result.check_result
        if not name.startswith(tuple(NO_MATTER)):
            one = said[bisect.bisect_right(ends, max(start - 1, 0))]
            found.append(claims.refusal(one, f"proselint {name}: {message.rstrip('.')}", "Mend it"))
    return found
