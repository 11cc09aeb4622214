"""Let threads end while coverage measures them: on Python 3.11 a session could hang for ever.

coverage.py keeps what it knows of a greenlet in a dictionary of weak references. A thread that ends
takes its greenlet with it, in a pending call of the main thread, where Python code then forgets it.
If a second thread ends meanwhile, that code waits for a pending call, so for itself, because 3.11
under trace asks again and again. No signal gets through, so no time limit ends it either.

What stands for a greenlet of another thread is therefore an object that stays.
"""

import threading

import greenlet
from coverage.collector import Collector

MAIN = threading.main_thread().ident


class Anchor:
    """What stands for a greenlet."""


kept: list[Anchor] = []  # a few bytes for each greenlet of a thread


def current() -> object:
    """Return what stands for the greenlet that runs: the same object for the same greenlet."""
    running = greenlet.getcurrent()
    if threading.get_ident() == MAIN:
        return running
    if "anchor" not in running.__dict__:
        kept.append(Anchor())
        running.__dict__["anchor"] = kept[-1]
    return running.__dict__["anchor"]


def let_threads_end() -> None:
    """Let each tracer of coverage ask `current` which greenlet runs."""
    start = Collector._start_tracer

    def start_tracer(collector: Collector) -> object:
        if collector.concur_id_func:
            collector.concur_id_func = current
        return start(collector)

    Collector._start_tracer = start_tracer  # type: ignore[method-assign,assignment]  # no plugin is asked for it
