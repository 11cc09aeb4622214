"""The watch for links that lead out of the site, asked of real servers on this machine."""

import asyncio
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import TypeVar

import pytest
import tenacity
from cryptography import x509

from tests.engine.pages import ROOT
from tests.parts import certificates
from tests.parts.server import free_port
from tests.watch import links

Result = TypeVar("Result")
PAGE = '<h1 id="top">Here</h1><a name="old">There</a><p id="a b">Space</p>'
ANSWERS = {
    "/page": (200, {}),
    "/gone": (404, {}),
    "/closed": (403, {}),
    "/broken": (500, {}),
    "/busy": (503, {}),
    "/moved": (301, {"Location": "/page"}),
    "/elsewhere": (302, {"Location": "/page"}),
    "/astray": (301, {"Location": "/gone"}),
    "/round": (302, {"Location": "/round"}),
}


class Handler(BaseHTTPRequestHandler):
    """Answer as the list says, and count."""

    asked: list[str]

    def do_GET(self) -> None:
        """Answer a request."""
        self.asked.append(self.path)
        status, headers = ANSWERS[self.path]
        if self.path == "/busy" and self.asked.count("/busy") == links.ATTEMPTS:
            status = 200
        body = PAGE.encode()
        self.send_response(status)
        for name, value in {"Content-Type": "text/html", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def server(secret: ssl.SSLContext | None = None) -> Iterator[tuple[str, list[str]]]:
    """Serve on a free port; yield the address, and what was asked for."""
    asked = list[str]()
    handler = type("Counting", (Handler,), {"asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        if secret:
            served.socket = secret.wrap_socket(served.socket, server_side=True)
        thread = threading.Thread(target=served.serve_forever, args=[0.01])
        thread.start()
        try:
            scheme = "https" if secret else "http"
            yield f"{scheme}://127.0.0.1:{served.server_port}", asked
        finally:
            served.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask again at once."""
    monkeypatch.setattr(links.got.retry, "wait", tenacity.wait_none())


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Give the certificate of this machine, which ends in three days, and its key in one file."""
    here = x509.IPAddress(ip_address("127.0.0.1"))
    file = tmp_path / "server.pem"
    file.write_bytes(b"".join(certificates.made(here, timedelta(days=80), timedelta(days=3))))
    return file


def aside(call: Callable[[], Result]) -> Result:
    """Return what a call returns that needs a thread without an event loop: the browser has one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(call).result()


def told(*urls: str, trusted: ssl.SSLContext | None = None) -> list[links.Answer]:
    """Return what becomes of some links, in their order."""
    asked = links.asked({*urls}, trusted or ssl.create_default_context())
    answers = aside(lambda: asyncio.run(asked))
    assert answers.keys() == {*urls}
    return [answers[url] for url in urls]


def ended(*arguments: str) -> int:
    """Return the status of the command."""
    return aside(lambda: links.main([*arguments]))


def test_each_link_is_judged_by_what_is_there() -> None:
    with server() as (url, asked):
        paths = ["page", "gone", "closed", "broken", "busy", "moved", "elsewhere", "astray"]
        page, gone, closed, broken, busy, moved, elsewhere, astray = told(
            *(f"{url}/{path}" for path in paths)
        )
        assert asked.count("/busy") == links.ATTEMPTS
    assert page == busy == elsewhere == links.Answer()
    assert gone == astray == links.Answer("it answers 404")
    assert broken == links.Answer("it answers 500")
    assert closed == links.Answer(note="it answers programs 403: look yourself")
    assert moved == links.Answer(note=f"it moved to {url}/page")


def test_an_anchor_is_looked_for_on_the_page_which_is_asked_once() -> None:
    with server() as (url, asked):
        page = f"{url}/page"
        there = told(f"{page}#top", f"{page}#old", f"{page}#a%20b", f"{page}#L10-L12", page)
        assert asked == ["/page"]
        (lost, gone) = told(f"{page}#lost", f"{url}/gone#top")
    assert {*there} == {links.Answer()}
    assert lost.wrong == "the page has no anchor 'lost'"
    assert gone.wrong == "it answers 404"


def test_who_does_not_answer_or_runs_in_a_circle_is_wrong() -> None:
    with server() as (url, _):
        (circle, nobody) = told(f"{url}/round", f"http://127.0.0.1:{free_port()}/")
    assert circle.wrong.startswith("TooManyRedirects: ")
    assert (nobody.wrong[:14], nobody.silent) == ("ConnectError: ", True)


def test_a_certificate_is_looked_at(files: Path) -> None:
    secret, trusted = (
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER),
        ssl.create_default_context(cafile=files),
    )
    secret.load_cert_chain(files)
    with server(secret) as (url, _):
        (ends,) = told(f"{url}/page", trusted=trusted)
        (strange,) = told(f"{url}/page")
    day = datetime.now(UTC).date() + timedelta(days=3)
    assert ends in {
        links.Answer(note=f"its certificate ends on {one}") for one in (day, day + timedelta(1))
    }
    assert "certificate verify failed" in strange.wrong


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Let a site of one page be looked at; give what its server was asked for."""
    docs, found = tmp_path / "docs", links.found
    docs.mkdir()
    with server() as (url, asked):
        text = f"# A\n\n[Good]({url}/page#top) and\n[gone]({url}/gone), [within](b.md).\n"
        (docs / "a.md").write_text(text)
        monkeypatch.setattr(links, "found", lambda: found(tmp_path, docs))
        yield asked


def test_the_report_names_place_and_cure_and_the_cache_spares_what_was_good(
    site: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = tmp_path / "links.json"
    assert ended("--cache", str(cache)) == 1
    said = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[0] for line in said[:-1]] == ["docs/a.md:4"]
    assert said[0].endswith("/gone: it answers 404. Mend the link, or drop what it holds.")
    assert said[-1] == "2 links, 2 asked, 1 wrong."
    assert sorted(site) == ["/gone", "/page"]
    (good,) = json.loads(cache.read_text())
    assert good.endswith("/page#top")
    (tmp_path / "docs/a.md").write_text(f"# A\n\n[Good]({good})\n")
    assert ended("--cache", str(cache)) == 0
    assert site.count("/page") == 1
    assert ended("--cache", str(cache), "--days", "0") == 0
    assert site.count("/page") == 2


@pytest.mark.parametrize("text", ["", "[]", "{", '{"http://a": 1}'])
def test_a_broken_cache_tells_nothing(text: str, tmp_path: Path) -> None:
    cache = tmp_path / "links.json"
    cache.write_text(text)
    assert links.known(cache, date(2026, 1, 8), 7) == {}


def test_only_a_week_is_kept(tmp_path: Path) -> None:
    cache = tmp_path / "links.json"
    days = {"a": "2026-01-01", "b": "2026-01-02", "c": "2026-01-08", "d": "2026-01-09"}
    cache.write_text(json.dumps(days))
    assert links.known(cache, date(2026, 1, 8), 7).keys() == {"b", "c"}


def test_without_a_network_no_link_is_blamed() -> None:
    silent = links.Answer("ConnectError: no route", silent=True)
    places = {"a": ["x.md:1"], "b": ["x.md:2"]}
    status, said = links.report(places, {"a": silent, "b": silent})
    assert (status, len(said)) == (2, 1)
    assert "no link is to blame" in said[0]
    status, said = links.report(places, {"a": silent, "b": links.Answer()})
    assert (status, said[0].partition(": ")[0]) == (1, "x.md:1")


def test_the_pages_links_are_found_with_their_lines() -> None:
    told = links.found()
    for url, at in told.items():
        for place in at:
            name, _, line = place.rpartition(":")
            text = (ROOT / name).read_text().splitlines()[int(line) - 1 :][:2]
            assert url in "\n".join(text), place
    assert any(place.startswith("docs/concurrency/") for at in told.values() for place in at)
