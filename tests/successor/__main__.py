"""Build the site by a second generator, and hold what it shows: `make successor`."""

import sys
import tempfile
from pathlib import Path

from tests.engine import ledger, pages
from tests.publish.holds import RefusedError
from tests.successor.build import HOME, build, build_first
from tests.successor.hold import hold, of_ledger, of_site


def main() -> str:
    """Build, compare, and return what was found equal."""
    target = HOME / "site"
    build(target)
    site, told = of_site(target), ledger.load()
    if told["blocks"]:
        known, against = of_ledger(told, site), "the ledger"
    else:
        with tempfile.TemporaryDirectory(prefix="first-") as folder:
            build_first(Path(folder, "site"))
            known, against = of_site(Path(folder, "site")), "the site that MkDocs builds"
    blocks, claims = hold(known, site)
    return f"{blocks} blocks and {claims} claims of {len(site)} pages are those of {against}."


if __name__ == "__main__":
    try:
        print(main())
    except (RefusedError, pages.RefusedError) as refused:
        sys.exit(str(refused))
