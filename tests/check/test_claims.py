"""What holds each sentence, as a reader asks for it: by the mouse, by the keyboard, by ear."""

import hashlib
import json
from typing import Any

import pytest
from playwright.sync_api import Page, expect

PAGE = "concurrency/timeouts/"
TEST = "tests/prove/concurrency/test_timeouts.py::test_it"
LEDGER = "**/ledger.json*"
HELD, JUDGED, FAILED = 0, 1, 2  # the places of the page's first sentences
SENTENCES = """() => [...document.querySelectorAll("article > p")].slice(0, 3).map(
    (one) => one.textContent.replace(/\\s+/g, " ").trim().match(/^.*?[.!?](?= |$)/)[0])"""


def claim(number: int, sentence: str, kind: str, outcome: str, run: str) -> dict[str, Any]:
    """Return a claim as the ledger holds it."""
    return {
        "id": f"{PAGE}:s{number}",
        "page": "concurrency/timeouts.md",
        "line": number,
        "heading": "Do",
        "sentence": sentence,
        "sha256": hashlib.sha256(sentence.encode()).hexdigest(),
        "kind": kind,
        "tests": [TEST] if kind == "held" else [],
        "checks": [],
        "outcome": outcome,
        "run": run,
    }


@pytest.fixture
def said(page: Page, address: str, recorded: dict[str, Any]) -> list[str]:
    """The first sentences of three paragraphs, which a ledger knows: held, judged, failed."""
    page.goto(address + PAGE)
    texts: list[str] = page.evaluate(SENTENCES)
    kinds = [("held", "passed"), ("judgement", "passed"), ("held", "failed")]
    known = json.loads(json.dumps(recorded))
    run = known["runs"][-1]["id"]
    known["claims"] = [
        claim(number, text, kind, outcome, run)
        for number, (text, (kind, outcome)) in enumerate(zip(texts, kinds, strict=True), start=1)
    ]
    page.route(LEDGER, lambda route: route.fulfill(json=known))
    page.goto(address + PAGE)
    expect(page.locator("details.proof.waiting")).to_have_count(0)
    return texts


def opened(page: Page) -> None:
    """Ask what holds each sentence."""
    page.get_by_role("button", name="What holds each sentence").click()
    expect(page.locator(".claims.panel")).to_contain_text("sentences of this page are held")


def about(page: Page, index: int) -> str:
    """Click into a sentence and return what is said of it."""
    page.locator("article > p").nth(index).click(position={"x": 12, "y": 8})
    return page.locator(".claims.note").inner_text()


def test_a_click_tells_what_holds_a_sentence(page: Page, said: list[str]) -> None:
    opened(page)
    assert "A test holds this sentence." in about(page, HELD)
    expect(page.locator(".claims.panel output")).to_have_text(said[HELD])
    link = page.locator(".claims.note").get_by_role("link", name="test_it")
    expect(link).to_have_attribute(
        "href", f"https://example.org/fork/playbook/blob/main/{TEST.partition('::')[0]}"
    )
    assert "It is a judgement" in about(page, JUDGED)
    assert "The test that holds this sentence failed." in about(page, FAILED)


def test_a_sentence_that_the_ledger_does_not_know_is_held_by_nothing(
    page: Page, said: list[str]
) -> None:
    page.evaluate("document.querySelector('article > p').firstChild.data = 'Never do it. '")
    opened(page)
    assert about(page, HELD) == "Nothing holds this sentence."
    assert "A test holds" not in page.locator(".claims.panel").inner_text()


def test_a_sentence_that_was_changed_in_the_ledger_is_not_held(
    page: Page, address: str, recorded: dict[str, Any], said: list[str]
) -> None:
    forged = claim(1, said[HELD], "held", "passed", recorded["runs"][-1]["id"])
    forged["sha256"] = "0" * 64
    page.unroute(LEDGER)
    page.route(LEDGER, lambda route: route.fulfill(json=recorded | {"claims": [forged]}))
    page.reload()
    opened(page)
    assert "Not held: the sentence shown is not the one that was held." in about(page, HELD)


def test_the_keyboard_walks_the_sentences(page: Page, said: list[str]) -> None:
    page.keyboard.press("h")
    panel = page.get_by_role("complementary", name="What holds each sentence")
    expect(panel).to_contain_text("sentences of this page are held")
    expect(panel).to_be_focused()
    quoted = []
    for _ in range(4):
        page.keyboard.press("ArrowDown")
        quoted.append(panel.get_by_role("status").inner_text())
    assert said[HELD] in quoted
    assert len(set(quoted)) == len(quoted)
    page.keyboard.press("Escape")
    expect(panel).to_have_count(0)
    expect(page.get_by_role("button", name="What holds each sentence")).to_have_attribute(
        "aria-expanded", "false"
    )


def test_nothing_moves_and_nothing_else_is_copied(page: Page, said: list[str]) -> None:
    look = """() => [
        document.querySelector("article").innerHTML.replace(/aria-expanded="\\w+"/, ""),
        [...document.querySelectorAll("article *")].map((one) => one.offsetTop),
    ]"""
    before = page.evaluate(look)
    opened(page)
    about(page, HELD)
    assert page.evaluate(look) == before
    page.evaluate("getSelection().selectAllChildren(document.querySelector('article > p'))")
    assert page.evaluate("getSelection().toString()").startswith(said[HELD])


def test_the_home_page_counts_sentences(page: Page, address: str, said: list[str]) -> None:
    page.goto(address)
    expect(page.locator("[data-ledger]")).to_contain_text("2 of 3 sentences held")


def test_a_ledger_without_sentences_says_so(
    page: Page, address: str, recorded: dict[str, Any]
) -> None:
    page.route(LEDGER, lambda route: route.fulfill(json=recorded | {"claims": []}))
    page.goto(address + PAGE)
    page.keyboard.press("h")
    expect(page.locator(".claims.panel")).to_contain_text("0 of")
