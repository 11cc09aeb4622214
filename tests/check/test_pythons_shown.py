"""What the site shows of a merged ledger: on which Pythons each block and sentence was proven."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from playwright.sync_api import Page, expect

from tests.check.test_oracle import SCHEMA
from tests.check.test_proof import answer
from tests.check.tiny_pythons import VERSIONS
from tests.pythons import merge

TIMEOUTS = "concurrency/timeouts/"
COMMIT = "a" * 40
EACH = "Python 3.11, 3.12 and 3.13"
DAY = "2 January 2026"

Ledger = dict[str, Any]


def of_python(recorded: Ledger, version: str) -> Ledger:
    """Return the ledger as one run on a Python would have written it."""
    told: Ledger = json.loads(json.dumps(recorded))
    run = {"id": f"run-{version}", "python": version, "commit": COMMIT}
    told["runs"] = [told["runs"][-1] | run | {"date": "2026-01-02T03:04:05+00:00"}]
    for block in told["blocks"]:
        block["proofs"][0]["run"] = run["id"]
    for claim in told["claims"]:
        claim["run"] = run["id"]
    return told


@pytest.fixture
def merged(page: Page, recorded: Ledger) -> Ledger:
    """The ledger of three Pythons, which the site gets: the last skipped the first block."""
    each = {version: of_python(recorded, version) for version in VERSIONS}
    first = next(b for b in each["3.13.0"]["blocks"] if b["page"] == "concurrency/timeouts.md")
    first["proofs"][0]["outcome"] = "skipped"
    told = merge.merged(each, COMMIT)
    answer(page, told)
    return told


def test_a_merged_ledger_keeps_the_schema(merged: Ledger) -> None:
    Draft202012Validator(json.loads(SCHEMA.read_text())).validate(merged)
    assert [run["python"] for run in merged["runs"]] == VERSIONS


@pytest.mark.usefixtures("merged")
def test_the_proof_of_a_block_names_its_pythons(page: Page, address: str) -> None:
    page.goto(address + TIMEOUTS)
    lines = page.locator("details.proof.passed")
    expect(lines.nth(0).locator("summary")).to_have_text(f"Proven on Python 3.11 and 3.12, {DAY}")
    expect(lines.nth(1).locator("summary")).to_contain_text(f" on {EACH}, {DAY}")
    lines.nth(1).locator("summary").click()
    runs = lines.nth(1).locator("dt:text-is('Run') + dd").all_inner_texts()
    assert [run.partition(", commit")[0] for run in runs] == [
        f"Python {version}, run-{version}, Linux x86_64" for version in VERSIONS
    ]


@pytest.mark.usefixtures("merged")
def test_rows_sentences_and_totals_name_them(page: Page, address: str) -> None:
    page.goto(f"{address}proof/")
    row = page.locator("[id='concurrency/timeouts:2'] summary")
    expect(row).to_contain_text(f" on {EACH}, {DAY}")
    page.goto(address)
    expect(page.locator("[data-ledger]")).to_contain_text("lines run, last on Python 3.11 and 3.12")
    page.goto(address + TIMEOUTS)
    page.keyboard.press("h")
    panel = page.locator(".claims.panel")
    expect(panel).to_contain_text("sentences of this page are held")
    said = set[str]()
    for _ in range(12):
        page.keyboard.press("ArrowDown")
        said.add(panel.locator(".note strong").inner_text())
    assert f"A test holds this sentence. Last run on {EACH}, {DAY}: passed." in said


@pytest.mark.parametrize("width", [1280, 320])
@pytest.mark.usefixtures("merged")
def test_an_open_proof_is_no_wider_than_the_screen(page: Page, address: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(address + TIMEOUTS)
    line = page.locator("details.proof.passed").nth(1)
    line.locator("summary").click()
    right = line.evaluate("line => line.getBoundingClientRect().right")
    assert right <= width
    assert line.evaluate("line => line.scrollWidth <= line.clientWidth + 1")


def test_a_ledger_of_one_run_shows_its_python_in_full(
    page: Page, address: str, recorded: Ledger
) -> None:
    told = merge.merged({"one": of_python(recorded, "3.11.7")}, COMMIT)
    for ledger in (told, of_python(recorded, "3.11.7")):
        page.unroute_all()
        answer(page, ledger)
        page.goto(address + TIMEOUTS)
        line = page.locator("details.proof.passed").first
        expect(line.locator("summary")).to_have_text(f"Proven on Python 3.11.7, {DAY}")
        line.locator("summary").click()
        assert line.locator("dt:text-is('Run') + dd").inner_text().startswith("run-3.11.7, Linux")
