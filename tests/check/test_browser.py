"""The site as a reader meets it, in Chromium."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from tests.prove.pythons import words

TIMEOUTS = "concurrency/timeouts/"


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One reader, who keeps what was fetched."""
    with browser.new_context() as context:
        yield context


@pytest.fixture
def page(context: BrowserContext, address: str) -> Iterator[Page]:
    """A new tab, in which no error and no request to another host may occur."""
    errors: list[str] = []
    tab = context.new_page()

    def foreign(request: Request) -> None:
        if not request.url.startswith(own):
            errors.append(f"request to {request.url}")

    own = (address, address.replace("1.0/", "versions.json"), "data:", "blob:")
    tab.on("request", foreign)
    tab.on("pageerror", lambda error: errors.append(str(error)))
    yield tab
    tab.close()
    assert not errors, errors


def test_the_proof_stands_beside_each_block(
    page: Page, address: str, recorded: dict[str, Any]
) -> None:
    page.goto(address + TIMEOUTS)
    blocks = [block for block in recorded["blocks"] if block["page"] == "concurrency/timeouts.md"]
    expect(page.locator("details.proof.passed")).to_have_count(len(blocks))
    for block, details in zip(blocks, page.locator("details.proof").all(), strict=True):
        summary = details.locator("summary").inner_text()
        seen = "Seen" if block["path"].endswith(".fails.out") else "Proven"
        assert ("Don't: fails as described" if block["kind"] == "dont" else seen) in summary
        pythons = [*block.get("pythons", {})]
        assert (words(pythons) if pythons[1:] else recorded["runs"][-1]["python"]) in summary
        assert not details.locator("dl").is_visible()
        details.locator("summary").click()
        text = details.locator("dl").inner_text()
        for test in block["proofs"][0]["tests"]:
            assert test in text


def test_instant_navigation_keeps_the_proofs_and_the_figures(
    page: Page, address: str, recorded: dict[str, Any]
) -> None:
    page.goto(address)
    page.evaluate("window.same = true")
    expect(page.locator("body")).to_have_attribute("data-md-color-scheme", "default")
    proofs = [proof for block in recorded["blocks"] for proof in block["proofs"]]
    lines = sum(len(proof["executable"]) for proof in proofs)
    summary = page.locator("[data-ledger]")
    expect(summary).to_contain_text(f"{len(proofs)} of {len(proofs)} blocks of this site proven")
    expect(summary).to_contain_text(f"{lines} of {lines} executable lines run")
    expect(summary).to_contain_text(re.compile(r"\d sentences held\.$"))
    for name, path in (("Give every call a timeout", TIMEOUTS), ("Add a page", "contributing/")):
        page.locator("article").get_by_role("link", name=name).first.click()
        expect(page.locator("details.proof.passed").first).to_be_visible()
        assert page.url == address + path
        page.go_back()
        expect(page.locator("[data-ledger]")).to_contain_text("blocks of this site proven")
    page.locator("article").get_by_role("link", name="Proof", exact=True).click()
    rows = page.locator("[data-row] [data-proof]")
    expect(rows.first).to_contain_text("Proven on Python")
    assert rows.count() == len(proofs)
    assert page.evaluate("window.same"), "a page was loaded anew"


def test_the_service_tells_what_its_gates_said(page: Page, address: str) -> None:
    said = page.locator("[data-service]")
    service = {"outcome": "passed", "tests": 7, "skipped": [], "coverage": 96.5, "image": "a base"}
    page.route(
        "**/ledger.json*",
        lambda route: route.fulfill(json={"blocks": [], "runs": [], "service": service}),
    )
    page.goto(address + "service/")
    expect(said).to_contain_text(
        "7 tests passed where it stands alone, and ran 96.5 % of its lines"
    )
    expect(said).to_contain_text("Its image was built on: a base.")
    service |= {"outcome": "failed", "skipped": ["NO TESTS OF THE IMAGE"], "image": None}
    page.reload()
    expect(said).to_contain_text("7 tests failed")
    expect(said).to_contain_text("NO TESTS OF THE IMAGE")


def test_a_block_that_failed_or_was_changed_says_so(
    page: Page, address: str, recorded: dict[str, Any]
) -> None:
    edited = json.loads(json.dumps(recorded))
    blocks = [block for block in edited["blocks"] if block["page"] == "concurrency/timeouts.md"]
    blocks[1]["proofs"][0]["outcome"] = "failed"
    blocks[2]["proofs"] = []
    blocks[3]["sha256"] = blocks[4]["sha256"]
    page.route("**/ledger.json*", lambda route: route.fulfill(json=edited))
    page.goto(address + TIMEOUTS)
    said = page.locator("details.proof summary")
    expect(said).to_have_count(len(blocks))
    assert "Proven on Python" in said.nth(0).inner_text()
    assert "Failed on Python" in said.nth(1).inner_text()
    assert said.nth(2).inner_text() == "No run is recorded for this block."
    assert said.nth(3).inner_text() == "Not proven: the text shown is not the text that ran."


def test_without_javascript_a_link_leads_to_the_rows_of_the_page(
    browser: Browser, address: str
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address + TIMEOUTS)
    page.locator(".proof-link").nth(1).click()
    assert page.url.endswith("/1.0/proof/#concurrency/timeouts")
    row = page.locator("[id='concurrency/timeouts:2']")
    expect(row).to_be_in_viewport()
    row.get_by_role("link").click()
    assert page.url.endswith(f"/1.0/{TIMEOUTS}#__span-1-1")
    expect(page.locator(":target")).to_be_in_viewport()
    context.close()


def test_it_follows_a_reader_who_likes_it_dark(browser: Browser, address: str) -> None:
    with browser.new_context(color_scheme="dark") as context:
        page = context.new_page()
        page.goto(address)
        expect(page.locator("body")).to_have_attribute("data-md-color-scheme", "slate")


def test_search_finds_and_copy_copies(page: Page, address: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(address + TIMEOUTS)
    block = page.locator(".highlight").first
    block.hover()
    block.locator("button").first.click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.rstrip("\n") == (block.locator("pre code").text_content() or "").rstrip("\n")
    page.locator("input[data-md-component=search-query]").click()
    page.keyboard.type("charge")
    expect(page.locator(".md-search-result__item").first).to_contain_text("timeout")


def test_a_missing_page_answers_with_the_sites_own(
    page: Page, address: str, host: tuple[Path, str], site: Path
) -> None:
    shutil.copy(site / "404.html", host[0])
    page.goto(address + "no/such/page/")
    expect(page.locator("h1")).to_have_text("There is no such page")
    page.get_by_role("link", name="home page").click()
    expect(page.locator("h1")).to_contain_text("A Python playbook")
