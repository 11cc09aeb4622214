"""Take the newest releases in a copy, run all proofs, and find which upgrades break which."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from tests.fresh import bisect, clone, locks, proofs
from tests.fresh.clone import Project
from tests.fresh.locks import Pins, UndatedError, UnsolvedError, Upgrade
from tests.fresh.proofs import SESSION, Failure

Say = Callable[[str], None]


@dataclass
class Break:
    """Upgrades that break proofs together, what came with them, and what they break."""

    upgrades: list[Upgrade]
    along: list[Upgrade] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


@dataclass
class Found:
    """All that a run found out."""

    day: datetime
    cooldown: int  # in days; 0 where the registry tells no dates
    upgrades: list[Upgrade] = field(default_factory=list)
    breaks: list[Break] = field(default_factory=list)
    before: list[Failure] = field(default_factory=list)  # they fail without any upgrade
    once: list[Failure] = field(default_factory=list)  # they didn't fail again
    unasked: list[Failure] = field(default_factory=list)  # the time was over
    shown: str = ""  # how what the pages show differs
    patch: str = ""  # all that differs, locks too

    @property
    def red(self) -> bool:
        """Tell whether anything failed."""
        return bool(self.breaks or self.before or self.once or self.unasked)


class Steps:
    """The subsets of the upgrades, each locked, installed and proven in the copy when asked for."""

    def __init__(
        self, project: Project, copy: Path, old: Pins, new: Pins, limit: timedelta, say: Say
    ) -> None:
        self.project, self.copy, self.old, self.new, self.say = project, copy, old, new, say
        self.end = time.monotonic() + limit.total_seconds()
        self.locked: dict[frozenset[str], dict[str, str] | None] = {}
        self.known: dict[tuple[frozenset[str], str, bool], frozenset[str]] = {}

    def lock(self, subset: frozenset[str]) -> bool:
        """Let the copy's locks be those of a subset; tell whether there are such."""
        clone.reset(self.copy)
        if subset not in self.locked:
            try:
                locks.choose(self.copy, self.project.locks, self.old, self.new, subset)
            except UnsolvedError:
                self.locked[subset] = None
            else:
                paths = [lock.path for lock in self.project.locks]
                self.locked[subset] = {path: (self.copy / path).read_text() for path in paths}
        texts = self.locked[subset]
        for path, text in (texts or {}).items():
            (self.copy / path).write_text(text)
        return texts is not None

    def failed(self, subset: frozenset[str], failure: Failure) -> frozenset[str] | None:
        """Return which items of a failure's page fail with a subset, or None without a lock."""
        key = (subset, failure.unit, failure.updating)
        if key not in self.known:
            if time.monotonic() > self.end:
                raise TimeoutError
            if not self.lock(subset):
                return None
            clone.install(self.copy, self.project.environments)
            all_of_it = ["--collect-only", *self.project.proofs]
            arguments = all_of_it if failure.unit == SESSION else [failure.unit]
            found = proofs.run(self.copy, [*self.project.rewriting, *arguments])
            if not failure.updating:
                found = proofs.run(self.copy, arguments)
            self.known[key] = frozenset(one.item for one in found)
            told = "fails" if failure.item in self.known[key] else "holds"
            self.say(f"{failure.unit} {told} with {len(subset)} of the upgrades.")
        return self.known[key]

    def holds(self, failure: Failure, subset: tuple[str, ...]) -> bool | None:
        """Tell whether what failed holds with a subset; None where that can't be said."""
        failed = self.failed(frozenset(subset), failure)
        if failed is None or failure.item in failed:
            return None if failed is None else False
        file = failure.item.partition("::")[0]
        return None if {SESSION, file} & failed else True

    def along(self, names: tuple[str, ...]) -> list[Upgrade]:
        """Return what came with some upgrades."""
        self.lock(frozenset(names))
        there = locks.compared(self.old, locks.pins(self.copy, self.project.locks))
        return [one for name, one in there.items() if name not in names]


def look(project: Project, day: datetime, cooldown: int, limit: timedelta, say: Say) -> Found:
    """Return what becomes of the project with the newest releases; it itself stays as it is."""
    with clone.copied(project.root) as copy:
        old = locks.pins(copy, project.locks)
        cooldown = renew(project, copy, day, cooldown)
        new = locks.pins(copy, project.locks)
        differ = locks.compared(old, new)
        found = Found(day, cooldown, list(differ.values()))
        if not differ:
            return found
        say(f"{len(differ)} packages differ. All proofs run with the newest releases.")
        failures = prove(project, copy)
        clone.git(copy, "add", "--all")
        paths = [f":!{lock.path}" for lock in project.locks]
        found.shown = clone.git(copy, "diff", "--cached", "--", ".", *paths)
        found.patch = clone.git(copy, "diff", "--cached", "--binary")
        clone.git(copy, "reset", "--quiet")
        if failures:
            say(f"{len(failures)} proofs fail. Subsets of the upgrades are tried.")
            blame(found, failures, Steps(project, copy, old, new, limit, say))
        return found


def renew(project: Project, copy: Path, day: datetime, cooldown: int) -> int:
    """Take the newest locks; return the cooldown, 0 where the registry tells no dates."""
    try:
        locks.renew(copy, project.locks, day - timedelta(days=cooldown) if cooldown else None)
    except UndatedError:
        clone.reset(copy)
        return renew(project, copy, day, 0)
    return cooldown


def prove(project: Project, copy: Path) -> list[Failure]:
    """Rewrite what changed, then run all proofs; return what fails."""
    clone.install(copy, project.environments)
    updating = {one.item for one in proofs.run(copy, [*project.rewriting, *project.update])}
    failures = proofs.run(copy, project.proofs)
    if not failures and project.pictures:
        proofs.run(copy, ["--quiet", *project.rewriting, project.pictures])
    return [
        Failure(one.item, one.unit, one.place, one.message, one.item in updating)
        for one in failures
    ]


def blame(found: Found, failures: list[Failure], steps: Steps) -> None:
    """Sort failures by the upgrades that cause them, each found on its own, while time is left."""
    names = [one.name for one in found.upgrades if one.old and one.new]
    by_names: dict[tuple[str, ...], Break] = {}
    for failure in failures:
        ask = partial(steps.holds, failure)
        try:
            causes = bisect.breaks(names, ask, list(by_names))
        except TimeoutError:
            found.unasked.append(failure)
            continue
        if causes == [()]:
            found.before.append(failure)
        elif not causes:
            found.once.append(failure)
        for cause in filter(None, causes):
            if cause not in by_names:
                own = [one for one in found.upgrades if one.name in cause]
                by_names[cause] = Break(own, steps.along(cause))
            by_names[cause].failures.append(failure)
    found.breaks = list(by_names.values())
