"""Programs that end with the process that started them, also when that is killed."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

# The shell outlives a killed parent: it sees its standard input end, ends the program
# and all that this started, and takes the folder away.
KEEPER = """
exec 3<&0
"$@" 3<&- >&2 &
program=$!
echo $program
exec 2>/dev/null
trap '' PIPE # a killed parent reads nothing
{
    trap : TERM
    read -r _
    kill -s "$KEEPER_STOP" $program
    test "$KEEPER_STOP" = INT || KEEPER_STOP=0 # what only starts may ignore an INT
    for _ in $(seq 250); do
        kill -s "$KEEPER_STOP" $program || exit
        sleep 0.1
    done
    kill -s KILL $program
} <&3 >&- &
reader=$!
wait $program
echo $?
kill $reader
wait $reader
test -z "$KEEPER_FOLDER" || rm -rf "$KEEPER_FOLDER"
kill -s KILL 0
"""


class Program:
    """A program that runs, and the shell that keeps it."""

    def __init__(self, keeper: subprocess.Popen[str]) -> None:
        self.keeper = keeper
        assert keeper.stdout  # noqa: S101  it is a pipe
        self.told = keeper.stdout
        self.pid = int(self.told.readline())

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program itself."""
        os.kill(self.pid, number)

    def runs(self) -> bool:
        """Tell whether it has not ended."""
        return self.keeper.poll() is None

    def wait(self, seconds: float) -> int:
        """Return the exit status as a shell tells it, such as 143 for SIGTERM.

        Raises `subprocess.TimeoutExpired` when the program still runs after that time.
        """
        self.keeper.wait(seconds)
        return int(self.told.read())


@contextmanager
def kept(
    command: Sequence[str | Path],
    *,
    folder: Path | None = None,
    keep_folder: bool = False,
    stop: str = "TERM",
    user: str | None = None,
    environment: Mapping[str, str] | None = None,
    log: IO[bytes] | None = None,
) -> Iterator[Program]:
    """Run a program in a folder; at the end stop it, and remove the folder.

    It gets 25 seconds to stop, as a server gives its requests 20. It writes to `log`,
    or else to standard error.
    """
    told = {"KEEPER_STOP": stop, "KEEPER_FOLDER": ""}
    if folder and not keep_folder:
        told["KEEPER_FOLDER"] = str(folder)
    with subprocess.Popen(
        ["sh", "-c", KEEPER, "sh", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        cwd=folder,
        user=user,
        env={**(os.environ if environment is None else environment), **told},
        start_new_session=True,
    ) as keeper:
        try:
            yield Program(keeper)
        finally:
            assert keeper.stdin  # noqa: S101  it is a pipe
            keeper.stdin.close()
            keeper.wait()
