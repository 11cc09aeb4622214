"""What the glossary says: each word is used in the chapters."""

import re

import pytest

from tests.engine.pages import DOCS
from tests.prove.sentences import sentences

ROWS = [one for one in sentences(DOCS / "start/glossary.md") if one.kind == "row"]


INSTRUCTIONS = [
    "limit | the most of something that we allow at once, or in number",
    "stream | a response in which we send one event after another",
]


JUDGEMENTS = [
    "blocking call | a call in our code that keeps its thread until it returns",
    "client | the object that keeps our connections to a remote service and sends requests over them",
    "coroutine | what our asynchronous functions return; it runs when something awaits it",
    "event loop | what runs our coroutines in one thread, one step of one task at a time",
    "fan-out | one of our requests starts many tasks",
    "job | work that we must do, and that the response needn't wait for",
    "limit | the most of something that we allow at once, or in number",
    "remote service | a service that we call over the network and don't run ourselves",
    "session | the object that holds one connection and one transaction of our database",
    "stream | a response in which we send one event after another",
    "task | an asyncio.Task: a coroutine that we let run beside others",
    "timeout | the longest time that one of our callers waits for an answer",
    "worker | a process in which we do jobs",
]


@pytest.mark.holds("The chapters use these words in one sense each.")
@pytest.mark.parametrize("word", [row.text.partition(" | ")[0] for row in ROWS])
def test_each_word_is_used(word: str) -> None:
    chapters = [path for path in DOCS.glob("*/*.md") if path.name != "glossary.md"]
    texts = " ".join(path.read_text() for path in chapters)
    assert re.search(rf"\b{word}s?\b", texts)
