"""Hold every file against what a reviewer refuses at sight, and see each refusal."""

from pathlib import Path

import pytest

from tests.engine.pages import ROOT, RefusedError
from tests.prove import places, prose, unwanted
from tests.prove.sentences import sentences

FILES = unwanted.tracked()
SAID = "A pool gives each task a connection of its own, or makes it wait."
LINES = {
    "a key of AWS": ('KEY = "AKIA' + 'IOSFODNN7EXAMPLQ"', "looks like a secret"),
    "a token of GitHub": ("token: ghp_" + "a1B2" * 9, "looks like a secret"),
    "a private key": ("-----BEGIN RSA " + "PRIVATE KEY-----", "looks like a secret"),
    "a key of Stripe": ("sk_" + "live_" + "a1B2" * 6, "looks like a secret"),
    "a header of a licence": ("# Copyright " + "2019 Example Ltd.", "under the terms"),
    "a mark of a licence": ("# SPDX-License-" + "Identifier: GPL-3.0-only", "under the terms"),
    "a picture without a text": ("![](pool.svg)", "no alternative text"),
    "a picture with an empty text": ('<img src="pool.svg" alt="">', "no alternative text"),
    "an address of a company": ("See <https://wiki.shop.corp/pool>.", "can't reach wiki.shop.corp"),
    "an address without a domain": ("See [it](http://wiki/pool).", "can't reach wiki"),
    "an address of a network": ("See http://10.1.2.3:8080/.", "can't reach 10.1.2.3"),
}
FINE = [
    "![A pool of five](pool.svg)",
    '<img src="pool.svg" alt="A pool of five">',
    "Open <http://127.0.0.1:8000>.",
    "See <https://docs.python.org/3/>.",
    "No part of it is copyrighted; read the licence.",
]


def refused(file: Path) -> list[RefusedError]:
    """Return what a reviewer refuses in a file."""
    page = [*unwanted.unseen(file), *unwanted.private(file)] if file.suffix == ".md" else []
    return [*unwanted.secrets(file), *unwanted.licensed(file), *page]


def test_no_file_holds_what_a_reviewer_refuses() -> None:
    unwanted.refuse(each for file in FILES for each in refused(file))


@pytest.mark.parametrize(("text", "says"), LINES.values(), ids=list(LINES))
def test_a_bad_line_is_refused(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "page.md"
    file.write_text(f"# Pool\n\n{text}\n")
    (told,) = map(str, refused(file))
    assert ":3: " in told
    assert says in told


@pytest.mark.parametrize("text", FINE)
def test_a_good_line_is_let_through(tmp_path: Path, text: str) -> None:
    file = tmp_path / "page.md"
    file.write_text(f"# Pool\n\n{text}\n")
    assert not refused(file)


def test_no_page_says_what_another_says() -> None:
    told = [each for page in prose.pages() for each in sentences(page)]
    unwanted.refuse(unwanted.repeated(told, places.titles()))


def test_a_sentence_of_another_page_is_refused(tmp_path: Path) -> None:
    for name, text in {"one": SAID, "two": f"{SAID}\n\n{SAID}", "three": SAID[:20]}.items():
        (tmp_path / f"{name}.md").write_text(f"# {name.title()}\n\n{text}\n")
    told = [each for name in ("one", "two", "three") for each in sentences(tmp_path / f"{name}.md")]
    again = [str(each) for each in unwanted.repeated(told, [])]
    assert len(again) == 2
    assert all("one.md:3 says so already" in each for each in again)
    assert not [*unwanted.repeated(told, [SAID])]


def test_each_dependency_is_used_or_has_its_reason() -> None:
    project = ROOT / "pyproject.toml"
    texts = [file.read_text() for file in FILES if file != project]
    unwanted.refuse(unwanted.unused(project, texts))


def test_a_dependency_that_nothing_uses_is_refused(tmp_path: Path) -> None:
    project = tmp_path / "pyproject.toml"
    lines = ['    "httpx2>=1",', '    "left-pad",', '    "right-pad",  # pads', '    "pyjwt",']
    project.write_text("\n".join(["[dependency-groups]", "tests = [", *lines, "]"]))
    (told,) = map(str, unwanted.unused(project, ["import httpx2", "import jwt.algorithms"]))
    assert "pyproject.toml:4: nothing imports or runs left-pad" in told
