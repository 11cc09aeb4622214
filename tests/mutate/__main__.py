"""Mutate the standalone snippets, and tell which mutants the suite of their page accepts.

Run it as `python -m tests.mutate [prefix]`, with the beginning of a path below `snippets/`.
A mutant that leaves true what the page says stands in `survivors.toml`, with the reason.
"""

import contextlib
import signal
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path

from tests.engine.pages import SNIPPETS
from tests.mutate.change import changed, few
from tests.mutate.mutants import Mutant, mutants
from tests.mutate.verdict import SURVIVED, judge

LISTED = Path(__file__).with_name("survivors.toml")
OTHERS = ("service/", "data/")  # no standalone snippets
Key = tuple[str, str, str]


def key(mutant: Mutant) -> Key:
    """Return what an entry of the list names: the snippet, the line and the mutation."""
    return mutant.path, mutant.text, mutant.change


def listed(prefix: str = "") -> dict[Key, str]:
    """Return the reasons of the list, by what its entries name."""
    entries = tomllib.loads(LISTED.read_text()).get("survivor", [])
    reasons = {(e["snippet"], e["line"], e["mutation"]): e["reason"] for e in entries}
    return {entry: reasons[entry] for entry in reasons if entry[0].startswith(prefix)}


def made(prefix: str = "") -> list[Mutant]:
    """Return the mutants of the standalone snippets whose path begins with a prefix."""
    paths = sorted(str(file.relative_to(SNIPPETS)) for file in SNIPPETS.rglob("*.py"))
    chosen = [path for path in paths if path.startswith(prefix) and not path.startswith(OTHERS)]
    return [mutant for path in chosen for mutant in mutants(path, (SNIPPETS / path).read_text())]


def complaints(verdicts: dict[Mutant, str], accepted: Iterable[Key]) -> list[str]:
    """Return what is wrong: survivors that are not listed, and entries that are stale."""
    survivors = [mutant for mutant, killer in verdicts.items() if killer == SURVIVED]
    killers = {key(mutant): f"{killer} refuses it" for mutant, killer in verdicts.items()}
    fresh, stale = (
        {key(each) for each in survivors} - {*accepted},
        {*accepted} - {*map(key, survivors)},
    )
    return [
        f"snippets/{each.path}:{each.line}: {each.text}: {each.change}: it survives. "
        f"Test what it breaks, or list it in {LISTED.name}."
        for each in survivors
        if key(each) in fresh
    ] + [
        f"{LISTED.name}: {': '.join(entry)}: {killers.get(entry, 'no such mutant is made')}. "
        "Remove it from the list."
        for entry in sorted(stale)
    ]


def told(killers: Iterable[str]) -> str:
    """Return in one line how many mutants were refused by what."""
    counts = Counter(killers)
    by = ", ".join(f"{n} by {killer}" for killer, n in counts.most_common() if killer != SURVIVED)
    return f"{counts.total()} mutants, refused {by or 'none'}; {counts[SURVIVED]} survive"


@contextlib.contextmanager
def judging(mutants: list[Mutant]) -> Iterator[Generator[tuple[Mutant, str]]]:
    """Judge mutants in a folder that goes away."""
    with tempfile.TemporaryDirectory(prefix="mutate-") as folder:
        base = Path(folder).resolve()
        base.chmod(0o711)  # what a test runs as another user gets through
        with contextlib.closing(judge(base, mutants)) as judged:
            yield judged


def surviving() -> list[str]:
    """Return the complaints of a few mutants of what was changed."""
    touched, accepted = tuple(changed()), listed()
    chosen = few(m for m in made() if m.path.startswith(touched) and key(m) not in accepted)
    if not chosen:
        return []
    with judging(chosen) as judged:
        return complaints(dict(judged), [])


def main(prefix: str = "") -> int:
    """Print what refuses the mutants; return 1 when there are complaints, else 0."""
    found, accepted = made(prefix), listed(prefix)
    started, verdicts = time.monotonic(), dict[Mutant, str]()
    left = Counter(mutant.path for mutant in found)
    wrong = complaints({}, [entry for entry in accepted if entry[0] not in left])
    print(*wrong, sep="\n", end="\n" * bool(wrong))
    if not found:
        sys.exit(f"There is nothing to mutate in snippets/{prefix}*.py")
    with judging(found) as judged:
        for mutant, killer in judged:
            verdicts[mutant] = killer
            left[mutant.path] -= 1
            if not left[mutant.path]:
                fates = {each: v for each, v in verdicts.items() if each.path == mutant.path}
                said = complaints(fates, [each for each in accepted if each[0] == mutant.path])
                print(f"{mutant.path}: {told(fates.values())}", *said, sep="\n", flush=True)
                wrong += said
    seconds = time.monotonic() - started
    print(f"All: {told(verdicts.values())}; {len(wrong)} complaints. It took {seconds:.0f} s.")
    return bool(wrong)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    try:
        sys.exit(main(*sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
