"""Find the smallest sets of upgrades that break a test, by asking few subsets of them.

What is asked answers True where the test holds, False where it fails, and None where the subset
doesn't resolve: that costs no run of the test, and proves nothing.
"""

from collections.abc import Callable, Iterable, Sequence

Holds = Callable[[tuple[str, ...]], bool | None]
Names = tuple[str, ...]


class Asked:
    """What each subset of the upgrades does, asked once."""

    def __init__(self, upgrades: Sequence[str], holds: Holds) -> None:
        self.upgrades, self.holds = upgrades, holds
        self.known: dict[frozenset[str], bool | None] = {}

    def __call__(self, subset: Iterable[str]) -> bool | None:
        """Ask of a subset, in the order of the upgrades."""
        key = frozenset(subset)
        if key not in self.known:
            self.known[key] = self.holds(self.ordered(key))
        return self.known[key]

    def breaks(self, subset: Iterable[str]) -> bool:
        """Tell whether the test fails with a subset."""
        return self(subset) is False

    def ordered(self, subset: Iterable[str]) -> Names:
        """Return a subset in the order of the upgrades."""
        wanted = set(subset)
        return tuple(one for one in self.upgrades if one in wanted)


def breaks(upgrades: Sequence[str], holds: Holds, guesses: Iterable[Names] = ()) -> list[Names]:
    """Return the smallest sets that break a test which failed with all upgrades.

    There are two where two break it independently, and none where it doesn't fail again. An empty
    set says that it fails without any upgrade. What broke other tests is asked first.
    """
    ask, pool, found = Asked(upgrades, holds), tuple(upgrades), list[Names]()
    tried = iter(list(guesses))
    while pool:
        one = next((guess for guess in tried if set(guess) <= set(pool) and ask.breaks(guess)), ())
        one = ddmin(one, ask) if one else smallest(pool, ask)
        if not one:
            break
        found.append(one)
        pool = tuple(name for name in pool if name not in one)
        if not ask.breaks(pool):
            break
        if True not in ask.known.values() and ask.breaks(()):
            return [()]
    return [()] if ask.known.get(frozenset()) is False else found


def smallest(pool: Names, ask: Asked) -> Names:
    """Return a smallest set that breaks the test, and nothing if all together don't.

    The shortest beginning of the list that breaks it ends with one of the set. With that one kept,
    the shortest beginning that still breaks it ends with the next.
    """
    fixed, rest = Names(), pool
    while rest and not (fixed and ask.breaks(fixed)):
        block, rest = boundary(rest, fixed, ask)
        fixed = (*block, *fixed)
        if False not in ask.known.values() and not (ask.breaks(fixed) or ask.breaks(pool)):
            return ()
    if not ask.breaks(fixed) and not ask.breaks(pool):
        return ()
    return ddmin(fixed if ask.breaks(fixed) else pool, ask)


def boundary(rest: Names, fixed: Names, ask: Asked) -> tuple[Names, Names]:
    """Return what ends the shortest beginning that breaks, and what stands before it.

    That is one upgrade, or several where no beginning between them resolves.
    """
    low, high = 0, len(rest)
    while high - low > 1:
        middle = (low + high) // 2
        for here in sorted(range(low + 1, high), key=lambda place: abs(place - middle)):
            answer = ask((*fixed, *rest[:here]))
            if answer is not None:
                low, high = (here, high) if answer else (low, here)
                break
        else:
            break
    return rest[low:high], rest[:low]


def ddmin(items: Names, ask: Asked) -> Names:
    """Return a subset that breaks, from which nothing can be taken, by Zeller's delta debugging."""
    parts = 2
    while len(items) > 1:
        size = -(-len(items) // parts)
        chunks = [items[start : start + size] for start in range(0, len(items), size)]
        others = [tuple(one for one in items if one not in chunk) for chunk in chunks]
        if smaller := next(filter(ask.breaks, chunks), None):
            items, parts = smaller, 2
        elif smaller := next(filter(ask.breaks, filter(None, others)), None):
            items, parts = smaller, max(parts - 1, 2)
        elif parts >= len(items):
            break
        else:
            parts = min(2 * parts, len(items))
    return ask.ordered(items)
