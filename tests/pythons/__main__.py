"""Prove all on each Python, and merge the ledgers: `make pythons`.

`python -m tests.pythons merge a.json b.json` merges ledgers that were written elsewhere, one of
each Python, into docs/ledger.json.

It ends with 0 where all is proven that was found, 1 where a proof fails on a supported Python, and
2 where something else went wrong. Then the ledger is the one that was there.
"""

import signal
import sys
from pathlib import Path

from tests.engine.pages import ROOT
from tests.fresh import clone
from tests.fresh.locks import RefusedError
from tests.prove.pythons import words
from tests.pythons import merge
from tests.pythons.proving import LEDGER, RedError, everywhere

USAGE = "Say nothing to prove all, or: merge FIRST.json SECOND.json"


def files(root: Path, names: list[str]) -> str:
    """Merge the ledgers of some files into the project's; return what was done."""
    head = clone.git(root, "rev-parse", "HEAD").strip()
    told = merge.merged({name: merge.read(Path(name)) for name in names}, head)
    merge.write(told, root / LEDGER)
    return f"{LEDGER} is of Python {words(merge.pythons(told))}."


def done(arguments: list[str], root: Path) -> str:
    """Do what is asked; return what was done."""
    match arguments:
        case []:
            return everywhere(root, say)
        case ["merge", *names] if names:
            return files(root, names)
    raise RefusedError(USAGE)


def say(line: str) -> None:
    """Print a line at once: the next one may be minutes away."""
    print(line, flush=True)


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Do what is asked, say what came of it, and return the status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        say(done(arguments, root))
    except RedError as red:
        print(red, file=sys.stderr)
        return 1
    except (RefusedError, OSError) as refused:
        print(f"Nothing was changed: {refused}.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Nothing was changed: it was interrupted.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
