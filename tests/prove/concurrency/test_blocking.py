"""What the page on blocking code claims."""

import asyncio
import itertools
import time
from types import ModuleType
from typing import Any

import aiohttp
import pytest

from tests.parts import pictures
from tests.parts.server import serving

FOLDER = "concurrency/blocking"
CALL = 0.15  # seconds that the call of the snippets blocks
STALLED = pytest.param(
    f"{FOLDER}/stalled.py",
    marks=[
        pytest.mark.xfail(  # time.sleep holds the loop, and with it all other requests
            strict=True, raises=pytest.RaisesExc(AssertionError, match="0 pings were answered")
        ),
        pytest.mark.finding("ruff", "ASYNC251", line=11),
    ],
)


async def reports(url: str, calls: int) -> tuple[float, int]:
    """Ask for reports at once; return the seconds taken and the pings answered meanwhile."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(url, connector=connector) as client:

        async def ask(path: str) -> str:
            async with client.get(path) as answer:
                answer.raise_for_status()
                return str(await answer.json())

        assert await ask("/ping") == "pong"  # the first request takes longer
        started = time.perf_counter()
        asked = [asyncio.create_task(ask("/report")) for _ in range(calls)]
        await asyncio.sleep(CALL / 4)
        pings = 0
        while not any(report.done() for report in asked):
            await ask("/ping")
            pings += not any(report.done() for report in asked)
        assert {*await asyncio.gather(*asked)} <= {"report", "report of 3 rows"}
        return time.perf_counter() - started, pings


@pytest.mark.parametrize(
    "snippet", [f"{FOLDER}/threaded.py", f"{FOLDER}/offloaded.py", STALLED], indirect=True
)
def test_other_requests_are_answered_meanwhile(snippet: ModuleType) -> None:
    with serving(snippet.app) as server:
        took, pings = asyncio.run(reports(server.url, calls=4))
    assert pings, f"{pings} pings were answered, and the calls took {took / CALL:.0f} times one"
    assert took < 4 * CALL


@pytest.mark.parametrize("snippet", [f"{FOLDER}/stalled.py"], indirect=True)
def test_calls_that_block_run_one_after_the_other(
    snippet: ModuleType, record_property: Any
) -> None:
    with serving(snippet.app) as server:
        took, _ = asyncio.run(reports(server.url, calls=3))
    assert took >= 3 * CALL
    record_property("figure", "3 calls")
    record_property("figure", "3 times")


@pytest.mark.parametrize("snippet", [f"{FOLDER}/pool.py"], indirect=True)
def test_the_pool_runs_forty_calls_at_once(snippet: ModuleType, record_property: Any) -> None:
    assert asyncio.run(snippet.start(calls=40)) == (40, 0)
    assert asyncio.run(snippet.start(calls=41)) == (40, 1)
    record_property("figure", "40 in")


@pytest.mark.parametrize("snippet", [f"{FOLDER}/threaded.py"], indirect=True)
def test_fastapi_runs_def_endpoints_in_that_pool(snippet: ModuleType) -> None:
    with serving(snippet.app) as server:
        took, _ = asyncio.run(reports(server.url, calls=41))
    assert took >= 2 * CALL, "the last one did not wait"


def shape(turns: dict[str, list[float]]) -> dict[str, tuple[bool, int]]:
    """Return whether each way to sleep stalled the loop, and its length in steps of 50 ms."""
    gaps = {way: max(b - a for a, b in itertools.pairwise(turns[way])) for way in turns}
    return {way: (gaps[way] >= 200, int(turns[way][-1] // 50)) for way in turns}


@pytest.mark.proves(f"{FOLDER}/stall.json")
@pytest.mark.parametrize("snippet", [f"{FOLDER}/heartbeat.py"], indirect=True)
def test_only_a_call_that_blocks_stalls_the_loop(
    snippet: ModuleType, pytestconfig: pytest.Config
) -> None:
    ways = snippet.awaited, snippet.threaded, snippet.blocked
    fresh = {}
    for way in ways:
        times = asyncio.run(snippet.turns(way))
        assert times[-1] >= snippet.NAP
        assert (snippet.longest_silence(times) >= snippet.NAP) == (way is snippet.blocked)
        fresh[way.__name__] = [round(1000 * time, 1) for time in times]
    pictures.hold_data(f"{FOLDER}/stall", fresh, shape, pytestconfig.option.update_examples)


@pytest.mark.parametrize("snippet", [f"{FOLDER}/draw.py"], indirect=True)
def test_the_picture_is_drawn_from_the_data(
    snippet: ModuleType, pytestconfig: pytest.Config
) -> None:
    updating = pytestconfig.option.update_examples
    pictures.hold_picture(f"{FOLDER}/stall", snippet.draw, updating)
    drawn = snippet.draw({way: [0.0, 199.5, 400.0] for way in snippet.WAYS})
    assert drawn.count("bad") == drawn.count('width="200.5" height="18" class="bad"') == 3
