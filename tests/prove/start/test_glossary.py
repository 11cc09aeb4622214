"""What the glossary says, held both ways: pages link to their terms, and each term has a page."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.pages import DOCS, RefusedError
from tests.prove import places, prose
from tests.prove.sentences import LINK, plain, sentences

GLOSSARY = DOCS / "start/glossary.md"
ROW = re.compile(r'\| <span id="(?P<anchor>[\w-]+)">(?P<word>[^<]+)</span> \|')
DEFINED = re.compile(r"(?<!\*)\*(?!\*)(.+?)\*")  # the noun that a page is about


INSTRUCTIONS = [
    "limit | the most of something that we allow at once, or in number",
    "stream | a response in which we send one event after another",
]


JUDGEMENTS = [
    "at least once | how our jobs are done: each is tried until we see it done or its tries run out, so it can run twice",
    "blocking call | a call in our code that keeps its thread until it returns",
    "broker | the program that carries our jobs to the workers",
    "budget | a figure of our performance that a command compares with a run",
    "canary | the processes of our new release that get a part of the requests first",
    "client | the object that keeps our connections to a remote service and sends requests over them",
    "control | as many new processes of our release before, with which we compare a canary",
    "coroutine | what a call of our asynchronous function returns; it runs when something awaits it, or as a task",
    "default | an answer that holds until one of us decides otherwise",
    "domain error | an exception of our own that names what went wrong in the business",
    "environment | a folder that runs a Python of the machine with packages of its own, those of one of our projects",
    "event loop | what runs our coroutines in one thread, one step of one task at a time",
    "fan-out | one of our requests starts many tasks",
    "flaky | what we call a test whose end changes while the code stays the same",
    "floor | the oldest Python that one of our projects supports",
    "gate | a command that a change must pass before we merge it",
    "idempotency key | the name that our client gives to a request and sends with each try of it",
    "integration test | one of our tests that runs our code on a real part",
    "job | work that we must do, and that the response needn't wait for",
    "job queue | the table that keeps our jobs",
    "layer | a folder or a file of our code that imports only from itself and from those below it",
    "limit | the most of something that we allow at once, or in number",
    "lock | the file that names each package of one of our projects with its version and its hash",
    "migration | one change of our schema, written as a file that a tool runs once",
    "objective | the part of all our requests that must succeed",
    "origin | the scheme, host and port of one of our pages",
    "pipeline | what runs all our gates on a server, in a clean clone of each change",
    "place | what one of our calls holds while it waits: a thread, or a coroutine",
    "profile | a record of where one of our programs spends its time or its memory",
    "property | what one of our tests says of each input",
    "ratchet | a check that lets the number of our known errors go down but never up",
    "remote service | a service that we call over the network and don't run ourselves",
    "rollback | we let the release before run again",
    "scope | what one of our changes may touch",
    "series | the values of one of our metrics under one set of labels",
    "session | the object through which one of our requests speaks to the database, in one transaction at a time",
    "setting | a value that differs between two of our deployments of one program",
    "span | a step of one of our requests, with its begin and its end",
    "stack | our framework, our way to the database and our way to ship",
    "stream | a response in which we send one event after another",
    "structured concurrency | our tasks end before the block ends that started them",
    "structured log | our log in which each line is one JSON object",
    "task | an asyncio.Task: a coroutine that we let run beside others",
    "test double | what stands in for a part while one of our tests runs",
    "tier | the size of a change, by which we choose its gates, its review and its release",
    "timeout | the longest time that one of our callers waits for an answer",
    "token | a signed text that tells our service who sends a request",
    "trace | all spans of one of our requests",
    "transaction | our statements that the database keeps all or not at all",
    "virtual clock | the clock of one of our event loops that jumps to the next timer when all tasks wait",
    "worker | a process in which we do jobs",
]


def entries() -> dict[str, tuple[int, str]]:
    """Return the line and the word of each entry by its anchor."""
    found = {}
    for line, text in enumerate(GLOSSARY.read_text().splitlines(), start=1):
        if row := ROW.match(text):
            found[row["anchor"]] = line, row["word"]
    return found


def linked(page: Path) -> Iterator[tuple[int, str, str]]:
    """Return the links of a page to entries: line, text, anchor."""
    for line, text, target, _ in places.links(page):
        path, _, anchor = target.partition("#")
        if anchor and (page.parent / path).resolve() == GLOSSARY:
            yield line, text, anchor


def hold(page: Path, known: dict[str, tuple[int, str]]) -> list[RefusedError]:
    """Return the terms of a page that have no entry, and those that it defines without a link."""
    found = []
    for line, text, anchor in linked(page):
        word = known.get(anchor, (0, ""))[1]
        if word not in (text.lower(), text.lower().removesuffix("s")):
            cure = "Add its row to docs/start/glossary.md, or link to the word that it means"
            found.append(RefusedError(page, line, f"{text!r} has no entry #{anchor}", cure))
    for one in sentences(page):
        bare = LINK.sub("", one.markdown)
        term = DEFINED.search(bare) if "We call" in one.text else None
        if term and page != GLOSSARY:
            reason = f"it defines {plain(term[1])!r}, and does not link to the glossary"
            cure = f"Write *[{term[1]}](...glossary.md#...)*, and its row there"
            found.append(RefusedError(page, one.line, reason, cure))
    return found


def unused(pages: list[Path], known: dict[str, tuple[int, str]]) -> list[RefusedError]:
    """Return the entries to which no page links."""
    used = {anchor for page in pages for _, _, anchor in linked(page)}
    cure = "Link to it where a page first uses it, or delete its row"
    return [
        RefusedError(GLOSSARY, line, f"no page links to {word!r}", cure)
        for anchor, (line, word) in known.items()
        if anchor not in used
    ]


@pytest.mark.holds(
    "The chapters use these words in one sense each, and link here where they first need it.",
)
def test_each_term_has_its_entry_and_each_entry_its_page() -> None:
    pages, known = [page for page in prose.pages() if page != GLOSSARY], entries()
    rows = [one for one in sentences(GLOSSARY) if one.kind == "row"]
    assert [word for _, word in known.values()] == sorted(one.text.split(" | ")[0] for one in rows)
    assert {anchor: word.replace(" ", "-") for anchor, (_, word) in known.items()} == {
        anchor: anchor for anchor in known
    }
    refused = [each for page in pages for each in hold(page, known)] + unused(pages, known)
    if refused:
        raise RefusedError.of(refused)


def test_a_term_without_an_entry_and_an_entry_without_a_page_are_refused() -> None:
    page, known = DOCS / "concurrency/timeouts.md", entries()
    less = {anchor: told for anchor, told in known.items() if anchor != "timeout"}
    (told,) = hold(page, less)
    refused = r"docs/concurrency/timeouts.md:\d+: 'timeout' has no entry #timeout\. Add its row to "
    assert re.match(refused, str(told))
    (told,) = unused(prose.pages(), {**known, "deadline": (3, "deadline")})
    assert str(told).startswith("docs/start/glossary.md:3: no page links to 'deadline'. Link to it")


def test_a_page_that_defines_its_noun_without_a_link_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "start/retries.md"
    page.parent.mkdir()
    page.write_text("# Retries\n\nWe call a call that is made again a *retry*.\n")
    (told,) = hold(page, entries())
    assert "it defines 'retry', and does not link to the glossary" in str(told)
