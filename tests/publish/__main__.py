"""Publish a version of the site, or take one down: `make publish VERSION=1.2`."""

import sys

from tests.publish.holds import RefusedError
from tests.publish.site import publish, retract


def main(command: str, version: str, remote: str, branch: str) -> str | None:
    """Do what is asked; return what stood against it, if anything did."""
    try:
        told = {"publish": publish, "retract": retract}[command](version, remote, branch)
    except RefusedError as refused:
        return f"Nothing was changed: {refused}."
    except KeyboardInterrupt:
        return "Nothing was changed: it was interrupted."
    print(told)
    return None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
