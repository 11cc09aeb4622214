"""What is called when the process is told to stop."""

import asyncio
import signal
import subprocess
import sys
import threading

import pytest

from accounts.shutdown import SIGNALS, on_stop


@pytest.mark.parametrize("number", SIGNALS)
async def test_both_are_called_the_app_and_the_server(number: signal.Signals) -> None:
    called = asyncio.Event()
    seen = list[int]()
    before = signal.signal(number, lambda told, _: seen.append(told))
    try:
        with on_stop(called.set):
            signal.raise_signal(number)
            await asyncio.wait_for(called.wait(), 5)
        assert seen == [number]
        signal.raise_signal(number)
        assert seen == [number, number]
    finally:
        signal.signal(number, before)


async def test_what_was_ignored_stays_ignored() -> None:
    called = asyncio.Event()
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with on_stop(called.set):
            signal.raise_signal(signal.SIGTERM)
            await asyncio.wait_for(called.wait(), 5)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


DEFAULT = """\
import asyncio, signal
from accounts.shutdown import on_stop

async def main() -> None:
    with on_stop(lambda: None):
        signal.raise_signal(signal.SIGTERM)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def test_without_a_server_the_process_ends_by_the_signal() -> None:
    done = subprocess.run([sys.executable, "-c", DEFAULT], check=False)
    assert done.returncode == -signal.SIGTERM


def test_a_thread_leaves_the_signals_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen = list[object]()

    def enter() -> None:
        with on_stop(lambda: None):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [before]
