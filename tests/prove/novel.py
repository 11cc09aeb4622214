"""Refuse a new sentence beside a test that asserts nothing new.

Who edits a sentence and its name in a test alike makes the test hold what it doesn't show. So
`make update` agrees on a sentence that it doesn't know only where a test that holds it is new, or
asserts what it didn't, or records from its run words that the sentence must have. It asks nothing
for a wording that it carries over itself, nor where the test reads the page.
"""

import re
from collections.abc import Collection
from pathlib import Path

import pytest

from tests.engine.pages import ROOT, RefusedError, test_of
from tests.prove import agreed, claims, holding, meaning, prose, says
from tests.prove.sentences import Sentence, sentences

READS = re.compile(r"\b(?:sentences\(|(?:prose|places|contents)\.)")


def unshown(page: Path, carried: Collection[str], items: list[pytest.Item]) -> list[RefusedError]:
    """Return the refusals of the sentences of a page that nothing new shows."""
    signs, codes = agreed.known(page), claims.codes(page)
    found = list[RefusedError]()
    for one in sentences(page) if signs else ():
        there = agreed.digest(one.text) in signs or one.text in carried
        if there or not meaning.weights(one.text, codes) or prose.VERSION.search(one.markdown):
            continue
        if names := idle(one, ROOT / test_of(page), items):
            reason = f"{one.text!r} is new, and {names[0]}, which holds it, asserts nothing new"
            cure = "Let it assert what the sentence says, or record that from its run as `says`"
            found.append(RefusedError(page, one.line, reason, cure))
    return found


def idle(sentence: Sentence, file: Path, items: list[pytest.Item]) -> list[str]:
    """Return the tests that hold a sentence, if each asserts what it did before."""
    held = [claim for claim in claims.declared(file) if claim.kind == "held"]
    names = sorted({claim.function for claim in held if claim.text == sentence.text})
    then = holding.recorded(file)
    for name in names:
        own = [i for i in items if getattr(i, "originalname", i.name) == name]
        spoken = any(told in sentence.text for told in says.recorded(own))
        asserts = then.get(name) != holding.checks(file, name)
        if spoken or asserts or READS.search(holding.source(file, name)):
            return []
    return names
