"""The site around its blocks: nothing in the console, on paper, on the way to a proof and back."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment, nodes
from playwright.sync_api import Browser, Page, Route, expect

from tests.check.conftest import build, serving
from tests.check.test_commands import shrink
from tests.check.test_oracle import pages
from tests.engine.pages import DOCS
from tests.parts.copies import copied

TIMEOUTS = "concurrency/timeouts/"
ROW = "concurrency/timeouts:5"
LEDGER = "**/ledger.json*"
SHIFTS = """() => new Promise((done) => new PerformanceObserver((list) => done(
    list.getEntries().reduce((sum, entry) => sum + entry.value, 0))
).observe({ type: "layout-shift", buffered: true }) ?? setTimeout(() => done(0), 500))"""
# The contrast of an element's colour with what lies behind it, by WCAG.
CONTRAST = """one => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const behind = ["white"];
    const colours = [];
    for (let each = one; each; each = each.parentElement) {
        colours.unshift(getComputedStyle(each).backgroundColor);
    }
    const light = (layers) => {
        for (const colour of layers) {
            canvas.fillStyle = colour;
            canvas.fillRect(0, 0, 1, 1);
        }
        const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((value) => {
            const part = value / 255;
            return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = light([...behind, ...colours]);
    const drawn = light([...behind, ...colours, getComputedStyle(one).color]);
    return (Math.max(ground, drawn) + 0.05) / (Math.min(ground, drawn) + 0.05);
}"""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A new reader, in whose console nothing may stand."""
    said: list[str] = []
    with browser.new_context(viewport={"width": 1280, "height": 720}) as context:
        tab = context.new_page()
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("console", lambda message: said.append(message.text))
        tab.on("requestfailed", lambda request: said.append(request.url))
        yield tab
    assert not said, said


@pytest.mark.parametrize("path", ["", TIMEOUTS, "proof/", "service/", "reference/storage/"])
def test_nothing_stands_in_the_console(page: Page, address: str, path: str) -> None:
    page.goto(address + path)
    page.wait_for_load_state("networkidle")


def test_the_404_page_works_at_the_root_of_a_host(browser: Browser, tmp_path: Path) -> None:
    errors: list[str] = []
    copy, host = tmp_path / "copy", tmp_path / "host"
    shrink(copied(copy))  # it takes no page of the others
    host.mkdir()
    with serving(host) as address, browser.new_context() as context:
        build(host, copy, SITE_URL=f"{address}/")
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{address}/no/such/page/")
        expect(page.locator("h1")).to_have_text("There is no such page")
        page.wait_for_load_state("networkidle")
        banner = page.locator("[data-home]")
        assert banner.evaluate("link => link.href") == f"{address}/latest/"
    assert not errors


def test_the_proof_page_keeps_its_place_while_the_ledger_comes(
    page: Page, address: str, recorded: dict[str, Any]
) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(LEDGER, hold)
    page.goto(f"{address}proof/#{ROW}")
    expect(page.locator("details.proof.waiting").first).to_be_visible()
    before = page.locator(f"[id='{ROW}']").bounding_box()
    held[0].fulfill(json=recorded)
    expect(page.locator("[data-row] details.proof.waiting")).to_have_count(0)
    expect(page.locator("[data-row] summary", has_text="compared")).to_have_count(0)
    after = page.locator(f"[id='{ROW}']").bounding_box()
    assert before and after and abs(before["y"] - after["y"]) < 2
    assert page.evaluate(SHIFTS) < 0.05


def test_a_link_to_a_row_opens_and_marks_it_and_back_restores_the_place(
    page: Page, address: str
) -> None:
    page.goto(address + TIMEOUTS)
    link = page.locator(f".proof-link[data-block='{ROW}']")
    link.scroll_into_view_if_needed()
    place = page.evaluate("scrollY")
    assert place > 300
    link.click()
    row = page.locator(f"[id='{ROW}']")
    expect(row).to_have_class("target")
    expect(row).to_be_in_viewport()
    expect(row.locator("dl")).to_be_visible()
    assert page.url == f"{address}proof/#{ROW}"
    page.go_back()
    expect(page).to_have_url(address + TIMEOUTS)
    page.wait_for_function("place => Math.abs(scrollY - place) < 50", arg=place)


def test_a_link_keeps_its_anchor_though_its_page_comes_late(page: Page, address: str) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.clock.install()
    page.goto(address + TIMEOUTS)
    page.wait_for_load_state("networkidle")
    page.route("**/proof/", hold)
    page.evaluate("scrollTo(0, 400)")
    page.locator(f".proof-link[data-block='{ROW}']").evaluate("link => link.click()")
    expect(page).to_have_url(f"{address}proof/#{ROW}")
    page.evaluate("scrollBy(0, 10)")  # is noted once it has rested for a while
    page.clock.run_for(1000)
    while held:
        held.pop().continue_()
    expect(page.locator(f"[id='{ROW}']")).to_be_in_viewport()


def test_a_click_right_after_scrolling_gets_the_right_address(page: Page, address: str) -> None:
    page.goto(address + TIMEOUTS)
    page.wait_for_load_state("networkidle")  # until the sitemap is there, no click is instant
    links = page.locator(".proof-link").all()
    for link in links[-3:]:
        identity = link.get_attribute("data-block")
        link.evaluate("link => { link.scrollIntoView({ block: 'center' }); link.click(); }")
        expect(page.locator("section.rows").first).to_be_visible()
        expect(page).to_have_url(f"{address}proof/#{identity}")
        page.go_back()
        expect(page.locator(".proof-link").first).to_be_attached()


def test_rows_can_be_filtered(page: Page, address: str, recorded: dict[str, Any]) -> None:
    page.goto(f"{address}proof/")
    rows = page.locator("[data-row]:visible")
    expect(rows).to_have_count(len(recorded["blocks"]))
    page.get_by_label("Proof").select_option("fails as described")
    donts = [block for block in recorded["blocks"] if block["kind"] == "dont"]
    expect(rows).to_have_count(len(donts))
    page.get_by_label("Show blocks with").fill("BLOCKED.py")
    expect(rows).to_have_count(1)
    expect(page.locator(".rows-filter output")).to_have_text("1 shown")
    expect(page.locator("section.rows:visible")).to_have_count(1)


def test_lines_of_the_home_page_can_be_read(page: Page, address: str) -> None:
    page.goto(address)
    long = page.evaluate("""() => [...document.querySelectorAll("article > :is(p, ul)")]
        .filter((one) => one.clientWidth / parseFloat(getComputedStyle(one).fontSize) > 52)
        .map((one) => one.textContent)""")  # ems: some 100 characters
    assert not long


def test_paper_is_light_and_keeps_blocks_whole(browser: Browser, address: str) -> None:
    with browser.new_context(color_scheme="dark") as context:
        page = context.new_page()
        page.goto(f"{address}concurrency/blocking/")
        expect(page.locator("body")).to_have_attribute("data-md-color-scheme", "slate")
        page.emulate_media(media="print")
        for selector in ("article p", "article pre code > span > span", ".filename .path"):
            assert page.locator(selector).first.evaluate(CONTRAST) >= 4, selector
        folded = page.locator(".highlight .folded").first
        assert folded.evaluate("line => line.offsetHeight") > 0
        expect(page.locator(".highlight .fold").first).to_be_hidden()
        broken = "one => getComputedStyle(one).breakInside"
        assert page.locator(".highlight").first.evaluate(broken) == "avoid"
        expect(page.locator(".highlight.language-json").first).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_icons_can_be_seen(browser: Browser, address: str, scheme: str) -> None:
    with browser.new_context(color_scheme=scheme) as context:  # type: ignore[arg-type]  # it is one
        page = context.new_page()
        page.goto(address + TIMEOUTS)
        for selector in ("a.md-content__button", ".highlight .md-code__nav button"):
            assert page.locator(selector).first.evaluate(CONTRAST) >= 3, selector


def test_each_page_describes_itself(site: Path) -> None:
    described: dict[str, str] = {}
    for source, soup in pages(site).items():
        told = {
            str(meta.get("name") or meta.get("property")): str(meta["content"])
            for meta in soup.select("head meta[content]")
        }
        text = told["description"]
        assert text not in described.values(), f"{source}: {text!r}"
        described[source] = text
        assert told["og:description"] == text
        assert 20 <= len(text) <= 200, f"{source}: {text!r}"
        assert told["og:title"] and told["og:url"].startswith("http")
        icon = re.sub(r".*/1\.0/", "", told["og:image"])
        assert (site / icon).read_bytes().startswith(b"\x89PNG")


def test_no_script_of_ours_stands_in_a_page(site: Path) -> None:
    for source, soup in pages(site).items():
        inline = [
            script.get_text()
            for script in soup.select("script:not([src])")
            if script.get("type") != "application/json"
        ]
        assert len(inline) == 4, source  # Material's: its scope, palette, tabs, target
        assert not [text for text in inline if "outdated" in text]
        assert not soup.select("[onclick], [onload], [style]:not(.highlight *)")


def test_templates_use_what_each_engine_knows() -> None:
    known = {
        "lang.t",
        "blocks.linked",
        "blocks.count",
        "blocks.counts",
        "blocks.name",
        "blocks.rows",
    }
    for file in sorted((DOCS / "templates").rglob("*.html")):
        if file.name == "ledger.html":
            continue  # a link to the ledger
        for call in Environment(autoescape=True).parse(file.read_text()).find_all(nodes.Call):
            if isinstance(call.node, nodes.Getattr):
                of = getattr(call.node.node, "name", "")
                assert f"{of}.{call.node.attr}" in known, f"{file.name}:{call.lineno}"
