"""Twins: a "do" and a "don't" under one test, which the "don't" must fail as declared.

A test takes its snippet as the parameter `snippet`. A "don't" carries a strict xfail with the type
and the message of the failure, and a `finding` for each thing that mypy or ruff must report of it.
"""

import collections
import importlib.util
import sys
from collections.abc import Generator
from types import ModuleType
from typing import Any

import pytest

from tests.engine.pages import HOME, ROOT, SNIPPETS, RefusedError, parses
from tests.engine.plugin import STATE
from tests.prove import claims, matches, twins

STALE = pytest.StashKey[list[RefusedError]]()


@pytest.fixture
def snippet(
    request: pytest.FixtureRequest,
    pytestconfig: pytest.Config,
    monkeypatch: pytest.MonkeyPatch,
    parts: None,
) -> ModuleType:
    """The snippet that the test is parametrized with, imported anew at its real path."""
    file = SNIPPETS / request.param
    if request.param in pytestconfig.stash[STATE].red or not parses(file):
        pytest.skip(f"{request.param} is refused already")  # one message for one fault
    name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


def snippet_of(item: pytest.Item) -> str | None:
    """Return the snippet that a test is parametrized with or declares to prove."""
    mark, callspec = item.get_closest_marker("proves"), getattr(item, "callspec", None)
    params = callspec.params if callspec else {}
    path: str | None = mark.args[0] if mark else params.get("snippet") or params.get("patch")
    return path


def refusal(item: pytest.Item, reason: str, cure: str) -> RefusedError:
    """Return a refusal that names a test and its snippet."""
    line = (item.location[1] or 0) + 1
    return RefusedError(item.path, line, f"snippets/{snippet_of(item)} {reason}", cure)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Learn which test proves which snippet, and how each "don't" must fail."""
    session = config.stash[STATE]
    twins.learn(items, config)
    holding = {  # one of the items of each test that holds sentences
        (item.path, getattr(item, "originalname", item.name)): item
        for item in items
        if item.get_closest_marker("holds")
    }
    for (file, name), item in holding.items() if not session.updating else ():
        item.stash[STALE] = claims.stale(file, name)
    good = collections.defaultdict(list)  # what passes a test
    for item in items:
        if (path := snippet_of(item)) and not item.get_closest_marker("xfail"):
            good[item.path, getattr(item, "originalname", "")].append(path)
    for file in {item.path for item in items if item.path.suffix == ".py"}:
        if refused := matches.twice(file):
            raise pytest.UsageError(str(refused[0]))
    for item in items:
        path, xfail = snippet_of(item), item.get_closest_marker("xfail")
        tests = item.get_closest_marker("service")
        if tests:
            item.add_marker(pytest.mark.timeout(600))  # it waits for those
        own = {HOME + name for name in tests.args} if tests else set()
        session.named |= own
        if path and (own or path.endswith(".patch")):  # a patch has no lines that run
            session.proving[path] |= {item.nodeid, *own}
        if path and item.get_closest_marker("proves"):
            session.proving[path].add(item.nodeid)
        elif path and xfail:
            raises = xfail.kwargs.get("raises")
            strict = xfail.kwargs.get("strict")
            if isinstance(raises, pytest.RaisesGroup):
                raises = raises.expected_exceptions[0]
            if not (strict and isinstance(raises, pytest.RaisesExc) and raises.match):
                cure = "Give its xfail strict=True and raises=pytest.RaisesExc(..., match=...)"
                said = refusal(item, "does not say how it fails", cure)
                raise pytest.UsageError(str(said))
            passing = good[item.path, getattr(item, "originalname", "")]
            if told := matches.weak(raises.match, passing):
                cure = "Match words that only this failure says"
                raise pytest.UsageError(str(refusal(item, told, cure)))
            how: dict[str, Any] = {
                "outcome": "fail",
                "raises": raises.expected_exceptions[0].__name__,
                "match": getattr(raises.match, "pattern", raises.match),
                "findings": [],
            }
            known = session.expected.setdefault(path, how)  # the first of its tests tells how
            for mark in item.iter_markers("finding"):
                tool, code = mark.args
                known["findings"].append({"tool": tool, "code": code, **mark.kwargs})


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuse a test that names a sentence which its page does not say."""
    if refused := item.stash.get(STALE, []):
        raise RefusedError.of(refused)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say of a snippet's failure where, why and what to do."""
    option, xfail = item.config.option, item.get_closest_marker("xfail")
    style, raises = option.tbstyle, xfail and xfail.kwargs.get("raises")
    if call.excinfo and raises and raises.matches(call.excinfo.value):
        option.tbstyle = "native"  # nobody reads it, and else each file of the stack is parsed
    try:
        report, session = (yield), item.config.stash[STATE]
    finally:
        option.tbstyle = style
    path = snippet_of(item)
    if path and report.skipped and hasattr(report, "wasxfail") and call.when != "call":
        report.outcome = "failed"  # in a fixture or on import: that is not what was declared
        del report.wasxfail
    as_declared = path and report.skipped and hasattr(report, "wasxfail")
    if path and as_declared and call.excinfo:
        if refused := twins.hold_report(item, path, call.excinfo.value):
            session.failed.add(item.nodeid)
            session.red.add(path)
            del report.wasxfail
            report.outcome, report.longrepr = "failed", refused
            return report
    if path and report.failed:
        if not xfail:
            cure = "Mend the snippet, or the test if the claim has changed"
            said = refusal(item, "fails its test", cure)
        elif call.excinfo is None:
            cure = "Correct the page, and the failure that this test declares"
            said = refusal(item, 'is shown as a "don\'t" and no longer fails', cure)
        else:
            cure = "Mend the snippet, or correct the failure that this test declares"
            said = refusal(item, "fails elsewhere than declared", cure)
        session.failed.add(item.nodeid)
        session.red.add(path)
        if call.excinfo and isinstance(call.excinfo.value, RefusedError):
            return report  # it says itself where, why and what to do
        report.longrepr = f"{said}\n\n{report.longreprtext if call.excinfo else ''}".rstrip()
    return report
