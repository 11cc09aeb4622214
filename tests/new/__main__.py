"""Make a project from the service: `make new NAME=orders TO=../orders`."""

import sys
from pathlib import Path

from tests.new.names import WrongError, read
from tests.new.project import made


def main(told: str, place: str) -> str | None:
    """Make a project of that name in that place; return what was wrong, if anything was."""
    try:
        name = read(told)
        target = Path(place or f"../{name.distribution}").expanduser().resolve()
        made(name, target)
    except (WrongError, OSError) as wrong:
        return f"Nothing was made: {wrong}."
    except KeyboardInterrupt:
        return "Nothing was made: it was interrupted."
    print(f"{name.title} is in {target}. Go there, and run: make run")
    return None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
