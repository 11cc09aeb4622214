"""How a worker is watched: its consumer's pulse, and what its processes count."""

import os
import shutil
from contextlib import ExitStack

from celery import bootsteps
from celery.signals import worker_process_init, worker_ready, worker_shutdown
from celery.worker.consumer import Consumer

from accounts import startup
from accounts.broker import celery
from accounts.config import Settings
from accounts.monitor import Pulse, serving

RATE = 5.0
"""Seconds between two beats."""
PULSE, STACK = Pulse(), ExitStack()


# --8<-- [start:beating]
class Beating(bootsteps.StartStopStep):
    """Beats while the consumer's loop turns, and while it waits for the broker.

    A worker without a broker is well: a restart would not bring it back.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)
    connected = False

    def start(self, parent: Consumer) -> None:
        """Beat from now on by the timer of the loop."""
        Beating.connected = True
        PULSE.beat()
        parent.timer.call_repeatedly(RATE, PULSE.beat)

    def stop(self, parent: Consumer) -> None:
        """Stop; the connection is lost, or the worker ends."""
        Beating.connected = False


def is_well() -> bool:
    """Tell whether the consumer's loop turns, or is not expected to."""
    return PULSE.is_well() or not Beating.connected


# --8<-- [end:beating]

celery.steps["consumer"].add(Beating)


@worker_ready.connect
def answer(**_: object) -> None:
    """Answer a monitor, once all processes were started."""
    STACK.enter_context(serving(startup.read(Settings), is_well))


@worker_process_init.connect
def forget_the_parent(**_: object) -> None:
    """Leave the parent's server to the parent."""
    STACK.pop_all()


@worker_shutdown.connect
def end(**_: object) -> None:
    """Stop answering, and remove what the processes counted."""
    STACK.close()
    shutil.rmtree(os.environ.get("PROMETHEUS_MULTIPROC_DIR", ""), ignore_errors=True)
