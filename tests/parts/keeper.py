"""A server in a folder of its own: it ends with the session, also when that is killed."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# The shell outlives a killed session: it sees its standard input end, and cleans up.
KEEPER = (
    'stop=$1 bin=$2 base=$3; shift 3; "$bin" "$@" & read -r _; kill -$stop $!; wait; rm -rf "$base"'
)
ENVIRONMENT = {"TZ": "UTC", "LC_ALL": "C"}
USER = "nobody" if os.geteuid() == 0 else None  # whom a server runs as that refuses to be root


@contextmanager
def kept(
    command: list[str],
    base: Path,
    stop: str,
    answers: Callable[[], object],
    failing: type[Exception] | tuple[type[Exception], ...] = OSError,
    **options: Any,
) -> Iterator[None]:
    """Run a server until the end of the block, once it answers; fail with its log if it ends first.

    `answers` asks it, and raises `failing` while it starts. The signal `stop` ends the server, and
    then its folder `base` goes too. `options` are those of `subprocess.Popen`.
    """
    program, *more = command
    with (
        (base / "log").open("wb") as log,
        subprocess.Popen(
            ["sh", "-c", KEEPER, "sh", stop, program, str(base), *more],
            cwd=base,
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
            **options,
        ) as keeper,
    ):
        try:
            while not answered(answers, failing):
                if keeper.poll() is not None:
                    name, said = Path(program).name, (base / "log").read_text()
                    raise RuntimeError(f"{name} did not start: {said}")
                time.sleep(0.02)  # it starts
            yield
        finally:
            keeper.communicate()  # which closes its standard input first


def answered(
    answers: Callable[[], object], failing: type[Exception] | tuple[type[Exception], ...]
) -> bool:
    """Tell whether a server answers."""
    try:
        answers()
    except failing:
        return False
    return True
