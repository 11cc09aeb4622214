"""Print which claims changed since a tag, page by page, as a start for the changelog."""

import sys
from collections.abc import Iterator
from pathlib import Path

from tests.engine.pages import ROOT
from tests.prove.claims import declared_in, nearest
from tests.publish.holds import RefusedError
from tests.publish.site import git

HOME = "tests/prove"


def changes(since: str) -> str:
    """Return the claims that came, went and changed, each page with the commits that say why."""
    if not since:
        raise RefusedError("no tag is named. Say SINCE=v1.1")
    try:
        commit = git("rev-parse", "--verify", "--quiet", f"{since}^{{commit}}")
    except RefusedError:
        raise RefusedError(f"there is no {since}. Choose one of: git tag") from None
    told = [line for page in touched(commit) for line in of_page(page, commit)]
    return "\n".join(told) or f"No claim changed since {since}."


def touched(commit: str) -> list[str]:
    """Return the pages that changed since a commit, or whose tests did."""
    listed = git("diff", "--name-only", "--no-renames", commit, "--", "docs", HOME).splitlines()
    pages = {path.removeprefix("docs/") for path in listed if path.endswith(".md")}
    tests = [Path(path).relative_to(HOME) for path in listed if path.endswith(".py")]
    pages |= {str(test.with_name(f"{test.stem.removeprefix('test_')}.md")) for test in tests}
    return sorted(pages)


def of_page(page: str, commit: str) -> Iterator[str]:
    """Return the claims of a page that changed since a commit, and what was committed since."""
    shown, test = f"docs/{page}", str(Path(HOME, page).with_name(f"test_{Path(page).stem}.py"))
    there = git("ls-tree", "-r", "--name-only", commit, "--", shown, test).splitlines()
    then = held(git("show", f"{commit}:{test}")) if {shown, test} <= {*there} else []
    here = all((ROOT / path).exists() for path in (shown, test))
    now = held((ROOT / test).read_text()) if here else []
    lines = [*compared([t for t in then if t not in now], [t for t in now if t not in then])]
    if lines:
        log = git("log", "--format=%s", f"{commit}..HEAD", "--", shown, test)
        because = [f"  because: {subject}" for subject in dict.fromkeys(log.splitlines())]
        yield from [shown, *lines, *because]


def held(source: str) -> list[str]:
    """Return the sentences that tests and outputs hold, by the source of the tests of a page."""
    told = declared_in(Path(HOME), source)
    return [*dict.fromkeys(claim.text for claim in told if claim.kind in ("held", "shown"))]


def compared(gone: list[str], new: list[str]) -> Iterator[str]:
    """Return the sentences that went, beside those that came for them, and those that came."""
    left = [*new]
    for text in gone:
        yield f"  - {text}"
        if like := nearest(text, left):
            left.remove(like)
            yield f"  + {like}"
    yield from (f"  + {text}" for text in left)


if __name__ == "__main__":
    try:
        print(changes(*sys.argv[1:]))
    except RefusedError as refused:
        sys.exit(f"{refused}.")
