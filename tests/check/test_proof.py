"""What the site says of its proof: no more than it knows, whatever becomes of the ledger."""

import json
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

TIMEOUTS = "concurrency/timeouts/"
ID = "concurrency/timeouts"
LEDGER = "**/ledger.json*"
# What a browser leaves out on a page that came over plain http.
PLAIN_HTTP = "Object.defineProperty(crypto, 'subtle', { value: undefined });"


def copy_of(ledger: dict[str, Any]) -> dict[str, Any]:
    """Return a ledger that may be changed."""
    found: dict[str, Any] = json.loads(json.dumps(ledger))
    return found


def with_edited_block(ledger: dict[str, Any]) -> dict[str, Any]:
    """Return a ledger in which the second block of the page is another text than the page shows."""
    edited = copy_of(ledger)
    block = next(block for block in edited["blocks"] if block["id"] == f"{ID}:2")
    block["sha256"] = "0" * 64
    return edited


def answer(page: Page, ledger: object) -> None:
    """Let a ledger be the answer to whoever asks for it."""
    page.route(LEDGER, lambda route: route.fulfill(json=ledger))


def summaries(page: Page) -> list[str]:
    """Return the proof lines of a page, once the ledger is there."""
    expect(page.locator("details.proof.waiting")).to_have_count(0)
    return page.locator("details.proof summary").all_inner_texts()


def test_a_block_that_the_browser_cannot_hash_was_not_compared(
    page: Page, address: str, recorded: dict[str, Any]
) -> None:
    page.add_init_script(PLAIN_HTTP)
    answer(page, with_edited_block(recorded))
    page.goto(address + TIMEOUTS)
    for summary in summaries(page):
        assert "not compared: over plain http a browser can't" in summary
    page.goto(f"{address}proof/")
    expect(page.locator(f"[id='{ID}:2']")).to_contain_text("not compared: over plain http")


def test_rows_are_compared_with_what_their_pages_show(
    page: Page, address: str, recorded: dict[str, Any]
) -> None:
    answer(page, with_edited_block(recorded))
    page.goto(f"{address}proof/")
    expect(page.locator(f"[id='{ID}:2'] summary")).to_have_text(
        "Not proven: the text shown is not the text that ran."
    )
    expect(page.locator(f"[id='{ID}:1'] summary")).to_contain_text("Proven on Python")
    expect(page.locator(f"[id='{ID}:1'] summary")).not_to_contain_text("compared")


def test_a_row_whose_page_cannot_be_read_says_so(page: Page, address: str) -> None:
    page.route(f"{address}{TIMEOUTS}", lambda route: route.abort())
    page.goto(f"{address}proof/")
    expect(page.locator(f"[id='{ID}:1'] summary")).to_contain_text("its page could not be read")


def test_totals_are_of_what_the_site_shows(
    page: Page, address: str, recorded: dict[str, Any]
) -> None:
    lacking = copy_of(recorded)
    gone = [block for block in lacking["blocks"] if block["page"] == f"{ID}.md"]
    lacking["blocks"] = [block for block in lacking["blocks"] if block not in gone]
    lacking["blocks"].append({**gone[0], "id": "elsewhere:1", "page": "elsewhere.md"})
    lacking["claims"] = [one for one in lacking["claims"] if one["page"] != f"{ID}.md"]
    answer(page, lacking)
    page.goto(address)
    all_, pages = len(recorded["blocks"]), len({block["page"] for block in recorded["blocks"]})
    summary = page.locator("[data-ledger]")
    expect(summary).to_contain_text(f"{all_ - len(gone)} of {all_} blocks of this site proven")
    expect(summary).to_contain_text("of their ")
    expect(summary).to_contain_text(f"sentences held, on {pages - 1} of {pages} pages.")


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (404, "", "has no ledger"),
        (500, "", "could not be fetched"),
        (200, "{}", "can't be read"),
        (200, '{"blocks": {}, "runs": []}', "can't be read"),
        (200, "<html>", "can't be read"),
        (200, "null", "can't be read"),
    ],
)
def test_a_ledger_that_tells_nothing_has_its_own_words(
    page: Page, address: str, status: int, body: str, says: str
) -> None:
    page.route(LEDGER, lambda route: route.fulfill(status=status, body=body))
    page.goto(address + TIMEOUTS)
    assert {says in summary for summary in summaries(page)} == {True}
    for path, place in (("", "[data-ledger]"), ("service/", "[data-service]")):
        page.goto(address + path)
        expect(page.locator(place)).to_contain_text(says)


def test_while_the_ledger_hangs_the_page_says_that_it_waits(page: Page, address: str) -> None:
    held: list[Route] = []
    page.route(LEDGER, lambda route: held.append(route))  # noqa: PLW0108  playwright sets attributes on it
    page.goto(address + TIMEOUTS)
    lines = page.locator("details.proof.waiting summary")
    expect(lines.first).to_have_text("The proof is being fetched.")
    assert lines.count() == page.locator(".proof-link").count()
    held[0].abort()
    expect(page.locator("details.proof summary").first).to_contain_text("could not be fetched")


def test_an_older_ledger_is_told_from_a_broken_block(
    page: Page, address: str, recorded: dict[str, Any]
) -> None:
    answer(page, with_edited_block(recorded) | {"digest": "f" * 64})
    page.goto(address + TIMEOUTS)
    said = summaries(page)
    assert "of different builds of the site. Reload the page." in said[1]
    assert said[0].startswith("Proven on Python")  # the text is the same in both
    page.goto(address)
    expect(page.locator("[data-ledger]")).to_contain_text("of another build of the site")


def test_the_address_of_the_ledger_changes_with_it(
    page: Page, address: str, recorded: dict[str, Any]
) -> None:
    with page.expect_request(LEDGER) as asked:
        page.goto(address + TIMEOUTS)
    assert asked.value.url.endswith(f"ledger.json?digest={recorded['digest'][:16]}")


def test_a_service_without_a_registry_shows_no_error_of_a_tool(page: Page, address: str) -> None:
    image = "the Python that runs the tests; docker.io: <urlopen error [Errno 101] unreachable>"
    service = {"outcome": "passed", "tests": 7, "skipped": [], "coverage": 96.5, "image": image}
    answer(page, {"blocks": [], "runs": [], "service": service})
    page.goto(f"{address}service/")
    said = page.locator("[data-service]")
    expect(said).to_contain_text("no registry could be reached")
    expect(said).not_to_contain_text("urlopen")
