"""Release a version, publish its site, or take it down: `make publish VERSION=1.2`."""

import sys
from collections.abc import Callable

from tests.publish.holds import RefusedError
from tests.publish.release import release
from tests.publish.site import publish, retract

COMMANDS: dict[str, Callable[..., str]] = {
    "publish": publish,
    "release": release,
    "retract": retract,
}


def main(command: str, *told: str) -> str | None:
    """Do what is asked; return what stood against it, if anything did."""
    try:
        done = COMMANDS[command](*told)
    except RefusedError as refused:
        return f"Nothing was changed: {refused}."
    except KeyboardInterrupt:
        return "Nothing was changed: it was interrupted."
    print(done)
    return None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
