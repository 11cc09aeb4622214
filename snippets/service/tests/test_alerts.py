"""Each alert fires on its fault, is quiet on a good day, and asks what is there."""

import re
import subprocess
from collections.abc import Iterator
from difflib import get_close_matches

import pytest
import yaml
from pydantic import SecretStr

from accounts import connections, metrics
from accounts.config import ServerSettings
from accounts.main import create_app
from dev import queries
from dev.processes import ROOT
from tests.conftest import TOKEN_KEY
from tests.system import require

require("alerts")
RULES, TESTS = "deploy/alerts.yml", "deploy/alerts_test.yml"
LABEL = re.compile(r'\w+="[^"]*"')


def test_each_fires_on_its_fault_and_is_quiet_on_a_good_day() -> None:
    for command in (["check", "rules", RULES], ["test", "rules", TESTS]):
        done = subprocess.run(
            ["promtool", *command], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr


# --8<-- [start:exposed]
def exposed() -> set[str]:
    """Return the series that the service can expose."""
    settings = ServerSettings(
        database_url=SecretStr("postgresql://host/name"),
        redis_url=SecretStr("redis://host"),
        token_key=SecretStr(TOKEN_KEY),
    )
    for path, methods in create_app(settings).openapi()["paths"].items():
        for method, operation in methods.items():
            for status in {*operation["responses"], "500"}:
                metrics.observe(method.upper(), path, int(status), 0.1)
    metrics.observe("GET", "unmatched", 404, 0.1)
    metrics.RELAYED.labels("first")
    metrics.SETTLED.labels("sent")
    metrics.TURNS.labels("ok")
    connections.CLOSED.labels("full")
    text = metrics.exposition(metrics.Backlog(0, 0, 0))[0].decode()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {series(line.rpartition(" ")[0]) for line in lines}


def series(told: str) -> str:
    """Return a series with its labels in order."""
    name, _, labels = told.partition("{")
    return ",".join([name, *sorted(LABEL.findall(labels))])


# --8<-- [end:exposed]


def expressions(rules: str) -> dict[str, str]:
    """Return the expression of each rule, by the line that names the rule."""
    each = [rule for one in yaml.safe_load(rules)["groups"] for rule in one["rules"]]
    kinds = ("alert", "record")
    return {
        f"{k}: {rule[k]}": rule["expr"] for rule in each for k in kinds if k in rule
    }


def told(tests: str) -> tuple[set[tuple[str, bool]], list[str]]:
    """Return which alerts fire, which are quiet, and the series that are given."""
    each = list(yaml.safe_load(tests)["tests"])
    asked = [case for test in each for case in test["alert_rule_test"]]
    given = [one["series"] for test in each for one in test["input_series"]]
    return {(case["alertname"], bool(case["exp_alerts"])) for case in asked}, given


def line(text: str, *parts: str) -> int:
    """Return the line of a file in which texts stand, each after the one before."""
    end = 0
    for part in parts:
        end = text.index(part, end)
    return text.count("\n", 0, end) + 1


# --8<-- [start:refusals]
def refusals(rules: str, tests: str, known: set[str]) -> Iterator[str]:
    """Give file, line, reason and cure of what can't fire, or in no test."""
    (cases, given), each = told(tests), expressions(rules)
    names = {one.partition(",")[0] for one in known}
    names |= {start.removeprefix("record: ") for start in each}
    for start, expression in each.items():
        asked, _ = queries.asked(expression)
        for name in sorted(asked - names):
            near = ", ".join(get_close_matches(name, names)) or "another"
            at = f"{RULES}:{line(rules, start, name)}"
            yield f"{at}: {name} is never exposed. Ask for {near}"
        kind, _, alert = start.partition(": ")
        at = f"{RULES}:{line(rules, start)}: {alert}"
        if kind == "alert" and (alert, True) not in cases:
            yield f"{at} fires in no test. Add its fault to {TESTS}"
        if kind == "alert" and (alert, False) not in cases:
            yield f"{at} is quiet in no test. Add a good day to {TESTS}"
    for one in given:
        if series(one) not in known:
            at = f"{TESTS}:{line(tests, one)}"
            yield f"{at}: {one} is never exposed. Write a series of /metrics"


# --8<-- [end:refusals]


def test_each_asks_what_is_exposed_and_has_its_tests() -> None:
    rules, tests = ((ROOT / name).read_text() for name in (RULES, TESTS))
    assert list(refusals(rules, tests, exposed())) == []


def test_what_an_endpoint_documents_is_known() -> None:
    created = 'http_requests_total{method="POST",route="/users",status="201"}'
    assert series(created) in exposed()


# --8<-- [start:planted]
@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        (RULES, "set_aside)", "aside)", "outbox_aside is never exposed. Ask"),
        (RULES, "requests_total", "total", "http_total is never exposed. Ask"),
        (RULES, "rate6h{", "rate7h{", "users:requests:rate7h is never exposed. Ask"),
        (RULES, "MessagesWait", "MailsWait", "MailsWait fires in no test. Add"),
        (TESTS, "MessagesWait, ", "Mails, ", "MessagesWait is quiet in no test"),
        (TESTS, 'status="500"', 'status="5xx"', 'status="5xx"} is never exposed'),
        (TESTS, 'status="200"', 'status="418"', 'status="418"} is never exposed'),
        (TESTS, 'le="0.5"', 'le="0.3"', 'route="/users"} is never exposed'),
    ],
)
def test_what_can_never_fire_is_refused(
    file: str, old: str, new: str, told: str
) -> None:
    texts = {name: (ROOT / name).read_text() for name in (RULES, TESTS)}
    texts[file] = texts[file].replace(old, new)
    found = list(refusals(texts[RULES], texts[TESTS], exposed()))
    (first, *_) = [one for one in found if told in one]
    place, number, reason, cure = re.split(r":(?=\d)|: |\. (?=[A-Z])", first)
    shown = texts[place].splitlines()[int(number) - 1]
    assert set(re.findall(r"\w{8,}", shown)) & set(re.findall(r"\w{8,}", reason))
    assert cure.split()[0] in ("Ask", "Add", "Write")


# --8<-- [end:planted]
