"""Ask each link of the pages that leads out of the site: is it there, and its anchor too?

It needs a network, so no test of the pages runs it: `python -m tests.watch.links` names the file
and the line of each link that leads nowhere any more, and ends with 1. It ends with 2 where nobody
answers at all. What answered well isn't asked again within a week: `--cache links.json` keeps it.
"""

import argparse
import asyncio
import json
import re
import ssl
import sys
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import httpx2
import tenacity
from bs4 import BeautifulSoup

from tests.engine.pages import DOCS, ROOT
from tests.prove.places import links

AT_ONCE = 8
LIMIT = 30.0  # seconds for a connection, and for each part of an answer
ATTEMPTS = 3
CLOSED = {401, 403, 429, 999}  # what servers tell programs that they don't want
FOR_GOOD = {301, 308}
NEAR = timedelta(days=7)  # a certificate is renewed weeks before its end
SCRIPT = re.compile(r"L\d+(-L\d+)?|:~:.*|/.*|.*=.*")  # anchors that a script of the page reads
BROWSER = {"User-Agent": "Mozilla/5.0 (compatible; a check of links)", "Accept": "text/html, */*"}


@dataclass(frozen=True)
class Answer:
    """What became of a question: what is wrong, or what a reader of the report should know."""

    wrong: str = ""
    note: str = ""
    silent: bool = False  # no server was there


def found(root: Path = ROOT, docs: Path = DOCS) -> dict[str, list[str]]:
    """Return the links that lead out of the site, each with its places."""
    told = defaultdict[str, list[str]](list)
    for page in [*sorted(root.glob("*.md")), *sorted(docs.rglob("*.md"))]:
        for line, _, target, _ in links(page):
            if urlsplit(target).scheme in {"http", "https"}:
                told[target].append(f"{page.relative_to(root)}:{line}")
    return dict(told)


class Busy(Exception):  # noqa: N818  it is asked again, and no error
    """The server asks for patience."""


@tenacity.retry(
    retry=tenacity.retry_if_exception_type((Busy, httpx2.TransportError)),
    stop=tenacity.stop_after_attempt(ATTEMPTS),
    wait=tenacity.wait_exponential(max=10),
    reraise=True,
)
async def got(client: httpx2.AsyncClient, url: str) -> tuple[httpx2.Response, str]:
    """Return an answer, and the end of the certificate where it is near."""
    async with client.stream("GET", url) as response:
        soon = certificate(response)
        if response.status_code == 503:
            raise Busy(f"it answers {response.status_code}")
        if "html" in response.headers.get("content-type", ""):
            await response.aread()
        return response, soon


def certificate(response: httpx2.Response) -> str:
    """Say when the certificate of a server ends, where that is near."""
    stream = response.extensions.get("network_stream")
    secure = stream.get_extra_info("ssl_object") if stream else None
    told = secure.getpeercert() if secure else None
    if not told:
        return ""
    end = datetime.fromtimestamp(ssl.cert_time_to_seconds(told["notAfter"]), UTC)
    return f"its certificate ends on {end:%Y-%m-%d}" if end - datetime.now(UTC) < NEAR else ""


def judged(response: httpx2.Response, soon: str, anchors: set[str]) -> dict[str, Answer]:
    """Judge an answer, for each anchor that is asked of it."""
    status = response.status_code
    if status in CLOSED:
        return dict.fromkeys(anchors, Answer(note=f"it answers programs {status}: look yourself"))
    if status != 200:
        return dict.fromkeys(anchors, Answer(f"it answers {status}"))
    moved = response.history and all(one.status_code in FOR_GOOD for one in response.history)
    note = "; ".join(filter(None, [f"it moved to {response.url}" if moved else "", soon]))
    ids = set[str]()
    if "html" in response.headers.get("content-type", ""):
        tree = BeautifulSoup(response.text, "html.parser")
        ids = {str(tag["id"]) for tag in tree.find_all(id=True)}
        ids |= {str(tag["name"]) for tag in tree.find_all("a", attrs={"name": True})}
    return {
        anchor: Answer(note=note)
        if not anchor or SCRIPT.fullmatch(anchor) or {anchor, unquote(anchor)} & ids
        else Answer(f"the page has no anchor {anchor!r}")
        for anchor in anchors
    }


async def asked(urls: set[str], trusted: ssl.SSLContext) -> dict[str, Answer]:
    """Ask for each page once, and return what became of each link."""
    pages, free = defaultdict[str, set[str]](set), asyncio.Semaphore(AT_ONCE)
    for url in urls:
        page, anchor = urldefrag(url)
        pages[page].add(anchor)

    async def ask(client: httpx2.AsyncClient, page: str) -> dict[str, Answer]:
        try:
            async with free:
                answers = judged(*await got(client, page), pages[page])
        except Busy as busy:
            answers = dict.fromkeys(pages[page], Answer(str(busy)))
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            name = f"{type(error).__name__}: {error}".removesuffix(": ")
            answers = dict.fromkeys(pages[page], Answer(name, silent=True))
        return {f"{page}#{anchor}" if anchor else page: one for anchor, one in answers.items()}

    told: dict[str, Answer] = {}
    async with (
        httpx2.AsyncClient(
            follow_redirects=True, headers=BROWSER, timeout=LIMIT, verify=trusted
        ) as client,
        asyncio.TaskGroup() as group,
    ):
        tasks = [group.create_task(ask(client, page)) for page in sorted(pages)]
    for task in tasks:
        told |= task.result()
    return told


def known(cache: Path | None, today: date, days: int) -> dict[str, str]:
    """Return what answered well in the last days, each with its day; a broken file says none."""
    try:
        told: dict[str, str] = json.loads(cache.read_text()) if cache else {}
        since = (today - timedelta(days=days)).isoformat()
        return {url: day for url, day in told.items() if since < day <= today.isoformat()}
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        return {}


def report(places: dict[str, list[str]], answers: dict[str, Answer]) -> tuple[int, list[str]]:
    """Return the status, and a line for each place of a link that is wrong or wants a look."""
    if answers and all(one.silent for one in answers.values()):
        return 2, ["Nobody answers: this machine has no network, and no link is to blame."]
    wrong, notes = list[str](), list[str]()
    for url, one in sorted(answers.items()):
        for place in places[url]:
            if one.wrong:
                wrong.append(f"{place}: {url}: {one.wrong}. Mend the link, or drop what it holds.")
            elif one.note:
                notes.append(f"{place}: {url}: {one.note}.")
    total = f"{len(places)} links, {len(answers)} asked, {len(wrong)} wrong."
    return int(bool(wrong)), [*notes, *wrong, total]


def main(arguments: list[str] | None = None) -> int:
    """Ask, say what was found, keep what answered well, and return the status."""
    parser = argparse.ArgumentParser(prog="tests.watch.links", description=__doc__)
    parser.add_argument("--cache", type=Path, help="a file that keeps what answered well")
    parser.add_argument("--days", type=int, default=7, help="how long that counts")
    told, today, places = parser.parse_args(arguments), datetime.now(UTC).date(), found()
    good = known(told.cache, today, told.days)
    answers = asyncio.run(asked(places.keys() - good.keys(), ssl.create_default_context()))
    status, lines = report(places, answers)
    print("\n".join(lines))
    if told.cache:
        good |= {url: f"{today}" for url, one in answers.items() if not (one.wrong or one.note)}
        told.cache.write_text(json.dumps(good, indent=1, sort_keys=True) + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
