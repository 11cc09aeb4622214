"""The site as a reader meets it, in Chromium."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

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
        assert ("Fails as described" if block["kind"] == "dont" else "Proven") in summary
        assert recorded["runs"][-1]["python"] in summary
        assert not details.locator("dl").is_visible()
        details.locator("summary").click()
        text = details.locator("dl").inner_text()
        for test in block["proofs"][0]["tests"]:
            assert test in text


def test_instant_navigation_keeps_the_proofs(page: Page, address: str) -> None:
    page.goto(address)
    page.evaluate("window.same = true")
    page.get_by_role("link", name="Timeouts").first.click()
    expect(page.locator("details.proof.passed").first).to_be_visible()
    assert page.evaluate("window.same"), "the page was loaded anew"
    assert page.url == address + TIMEOUTS
    page.locator("article a", has_text="test of this page").count()
    page.go_back()
    expect(page.locator("[data-ledger]")).to_contain_text("blocks proven")
    page.get_by_role("link", name="Every block and its proof").click()
    expect(page.locator("[data-row] [data-proof]").first).to_contain_text("Proven on Python")
    assert page.evaluate("window.same")


def test_the_home_page_shows_the_figures_of_the_ledger(
    page: Page, address: str, recorded: dict[str, Any]
) -> None:
    page.goto(address)
    proofs = [proof for block in recorded["blocks"] for proof in block["proofs"]]
    lines = sum(len(proof["executable"]) for proof in proofs)
    summary = page.locator("[data-ledger]")
    expect(summary).to_contain_text(f"{len(proofs)} of {len(proofs)} blocks proven")
    expect(summary).to_contain_text(f"{lines} of {lines} executable lines run")


def test_a_text_that_is_not_what_ran_says_so(page: Page, address: str, site: Path) -> None:
    def changed(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text().replace("profile", "profil"))

    page.route(re.compile(re.escape(address + TIMEOUTS) + "$"), changed)
    page.goto(address + TIMEOUTS)
    broken = page.locator("details.proof.broken summary")
    expect(broken).to_have_count(2)
    expect(broken.first).to_have_text("Not proven: the text shown is not the text that ran.")


def test_without_a_ledger_no_run_is_recorded(page: Page, address: str) -> None:
    answers: list[dict[str, Any]] = [{"status": 404}, {"status": 200, "body": "no JSON"}]
    page.route("**/ledger.json", lambda route: route.fulfill(**answers.pop()))
    for _ in range(2):
        page.goto(address + TIMEOUTS)
        summaries = page.locator("details.proof.unproven summary")
        expect(summaries.first).to_have_text("No run is recorded for this block.")
        assert summaries.count() == page.locator(".proof-link").count()


def test_a_failed_proof_says_so(page: Page, address: str, recorded: dict[str, Any]) -> None:
    edited = json.loads(json.dumps(recorded))
    for block in edited["blocks"]:
        block["proofs"][0]["outcome"] = "failed"
    page.route("**/ledger.json", lambda route: route.fulfill(json=edited))
    page.goto(address + TIMEOUTS)
    expect(page.locator("details.proof.broken summary").first).to_contain_text("Failed on Python")


def test_without_javascript_a_link_leads_to_the_row(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address + TIMEOUTS)
    link = page.locator(".proof-link").nth(1)
    identity = link.get_attribute("data-block")
    link.click()
    assert page.url.endswith(f"/1.0/proof/#{identity}")
    expect(page.locator(f'[id="{identity}"]')).to_contain_text("blocked.py")
    context.close()


def test_it_follows_the_readers_colours(browser: Browser, page: Page, address: str) -> None:
    page.goto(address)
    expect(page.locator("body")).to_have_attribute("data-md-color-scheme", "default")
    with browser.new_context(color_scheme="dark") as context:
        dark = context.new_page()
        dark.goto(address)
        expect(dark.locator("body")).to_have_attribute("data-md-color-scheme", "slate")


def test_search_finds_and_copy_copies(page: Page, address: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(address + TIMEOUTS)
    block = page.locator(".highlight").first
    block.hover()
    block.locator("button").first.click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.rstrip("\n") == block.locator("pre code").inner_text().rstrip("\n")
    page.locator("input[data-md-component=search-query]").click()
    page.keyboard.type("thread")
    expect(page.locator(".md-search-result__item").first).to_contain_text("Timeouts")


def test_a_missing_page_answers_with_the_sites_own(
    page: Page, address: str, host: tuple[Path, str], site: Path
) -> None:
    shutil.copy(site / "404.html", host[0])
    page.goto(address + "no/such/page/")
    expect(page.locator("h1")).to_have_text("There is no such page")
    page.get_by_role("link", name="home page").click()
    expect(page.locator("h1")).to_contain_text("A Python playbook")


def test_a_narrow_screen_needs_no_sideways_scrolling(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 320, "height": 640})
    page = context.new_page()
    for path in ("", TIMEOUTS, "contributing/", "proof/"):
        page.goto(address + path)
        page.wait_for_selector("details.proof, .summary")
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, path
    context.close()
