"""What the page on alerts claims: the service's rules, and each fault planted in them."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.engine.pages import SNIPPETS
from tests.parts.evidence import failing
from tests.parts.service import SERVICE
from tests.parts.system import missing

FOLDER = "observe/alerts"
RULES, CASES = "service/deploy/alerts.yml", "service/deploy/alerts_test.yml"
FIRES = "tests/test_alerts.py::test_each_fires_on_its_fault_and_is_quiet_on_a_good_day"
ASKS = "tests/test_alerts.py::test_each_asks_what_is_exposed_and_has_its_tests"
KNOWN = "tests/test_alerts.py::test_what_an_endpoint_documents_is_known"
REFUSED = "tests/test_alerts.py::test_what_can_never_fire_is_refused"
MINUTES = "tests/survival/test_incident.py::test_each_command_of_the_first_minutes_answers"
OUTBOX = "tests/test_outage.py::TestAway::test_its_metrics_are_served"
BROKERLESS = (
    "tests/test_outage.py::TestBrokerless::test_a_user_is_stored_with_its_message_and_answered"
)
HOUR = "tests/test_relay.py::test_a_mail_server_that_is_down_for_an_hour_costs_no_mail"
PUT_OFF = "tests/test_worker.py::test_each_try_is_later_than_the_one_before"
HOURS = 30 * 24
Holds = Callable[[], None]


INSTRUCTIONS = [
    "Add an alert on the errors that your proxy answers, and let a probe from outside ask one route of your users each minute.",
    "Choose alerts by what users notice, and let a test make each fire on its fault and stay quiet on a good day.",
    "If you don't know what to alert on, take the share of requests that fail, the share that is late, and the age of the oldest job.",
    "Do: alert on the rate that uses up the budget",
    "Count what users ask for, because probes that are answered hide failures:",
    "Ask the same in the first ten minutes of an incident",
    "Let each alert name in its annotation first what to run first.",
    "Say in one place that you look at it, and since when.",
    "Run the commands, and write down what they say.",
    "Take back the last change, if the fault began with it.",
    "Write down what you do and when, before you look for the cause.",
    "Agree on an objective with those who pay for it, and write it beside the rule.",
    "Give page to what can't wait for the morning, and ticket to all else.",
    "Leave streams out of the share that is late, as the alert on late requests does.",
    "Delete an alert after which nobody had to do anything.",
    "Run promtool test rules deploy/alerts_test.yml in the pipeline.",
    "Let Alertmanager bring alerts to a phone, and watch that an alert which always fires still arrives: no test sees whether a person is told.",
]


JUDGEMENTS = [
    "We call the part of all requests that must succeed an objective, SLO for short, and the rest is the budget of errors.",
]


def rules() -> dict[str, Any]:
    """Return the rules, by the name of the alert."""
    (group,) = yaml.safe_load((SNIPPETS / RULES).read_text())["groups"]
    return {rule["alert"]: rule for rule in group["rules"] if "alert" in rule}


def case(start: str) -> dict[str, Any]:
    """Return the case of the rules' test whose name begins so."""
    tests = yaml.safe_load((SNIPPETS / CASES).read_text())["tests"]
    (found,) = [test for test in tests if test["name"].startswith(start)]
    return dict(found)


def checked(folder: Path, patch: str) -> bool:
    """Tell whether `promtool check rules` passes the rules under a patch."""
    (folder / "deploy").mkdir()
    (folder / "deploy/alerts.yml").write_text((SNIPPETS / RULES).read_text())
    for command in (
        ["git", "apply", str(SNIPPETS / FOLDER / patch)],
        ["promtool", "check", "rules", "deploy/alerts.yml"],
    ):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            return False
    return True


@pytest.fixture
def promtool() -> None:
    """Skip where the service's own tests are skipped too."""
    if absent := missing("alerts"):
        pytest.skip(f"install {', '.join(absent)} to run it")  # CI requires it


@pytest.mark.holds(
    "Look at both windows: the long one says that it matters, and the short one that it still goes on.",
    "99.9% in 30 days is the objective, so 1 request of 1000 may fail.",
    "The rate of errors, beside the allowed one | Over | At even traffic, it takes of the budget | Who is told",
    "14.4 times as many | 1 hour | 2% | somebody is woken",
    "6 times as many | 6 hours | 5% | a ticket for the morning",
    "With 60 requests in an hour, one error is 17 times the allowed rate, so the alert also waits for more than ten errors.",
)
@pytest.mark.service(FIRES)
@pytest.mark.proves(RULES)
def test_a_rate_uses_up_the_budget(service: Holds, record_property: Any) -> None:
    service()
    told = rules()
    for alert, window, severity in (
        ("ErrorBudgetBurnsFast", "1h", "page"),
        ("ErrorBudgetBurnsSlowly", "6h", "ticket"),
    ):
        rule, seconds = told[alert], 3600 * int(window[:-1])
        assert rule["expr"].endswith(f'rate{window}{{status=~"5.."}}) * {seconds} > 10')
        assert rule["labels"]["severity"] == severity
        (times, allowed), (same, _) = re.findall(r"> ([\d.]+) \* ([\d.]+)", rule["expr"])
        assert times == same
        assert f"rate{window})" in rule["expr"]
        record_property("figure", f"{times} times")
        hours = int(window[:-1])
        record_property("figure", f"{hours} hour{'s' if hours > 1 else ''}")
        record_property("figure", f"{float(times) * hours / HOURS:.0%}")
        record_property("figure", f"{1 / float(allowed):g} may")
        record_property("figure", f"{1 - float(allowed):.1%}")
        record_property("figure", f"{HOURS // 24} days")
    night = case("a quiet night, of one request a minute, of which one fails and one is late")
    assert [each["exp_alerts"] for each in night["alert_rule_test"]] == [[], [], []]
    record_property("figure", f"{int(1 / 60 / 0.001 + 0.5)} times")


@pytest.mark.holds(
    "The test is a file for promtool, which comes with Prometheus.",
    "Each request of 10 minutes fails, and the alert fires within 5 minutes and is quiet within 10 minutes of the end:",
)
@pytest.mark.service(FIRES)
@pytest.mark.proves(CASES)
def test_it_fires_while_it_goes_on(service: Holds, record_property: Any) -> None:
    service()
    down = case("from the second hour on each request fails, for 10 minutes")
    asked = {each["eval_time"]: each["exp_alerts"] for each in down["alert_rule_test"]}
    assert {time for time, alerts in asked.items() if alerts} == {"2h5m"}
    assert list(asked) == ["2h", "2h5m", "2h20m"]
    record_property("figure", f"{list(asked)[1][2:-1]} minutes")
    good, bad = (each["values"] for each in down["input_series"])
    (lasts,) = re.findall(r"72000x(\d+) ", good)
    assert f"600+600x{lasts} " in bad
    record_property("figure", f"{20 - int(lasts)} minutes")
    packages = (SERVICE / "packages.txt").read_text()
    assert ["promtool", "prometheus", "alerts"] in [each.split() for each in packages.splitlines()]


@pytest.mark.holds(
    "Users tell you of an outage before any alert does.",
    "Don't ask for a label that nobody writes",
    "promtool check rules is green, and the alert never fires: the service writes 500, never 5xx.",
)
@pytest.mark.service(FIRES)
@pytest.mark.parametrize(
    "patch",
    [None, failing(f"{FOLDER}/grouped.patch", r"alertname: ErrorBudgetBurnsFast, time: 2h5m")],
)
def test_a_label_that_nobody_writes_never_fires(
    service: Holds, patch: str | None, tmp_path: Path, promtool: None
) -> None:
    assert checked(tmp_path, "grouped.patch")
    assert "labels(method, route, str(status))" in (SERVICE / "src/accounts/metrics.py").read_text()
    service()


@pytest.mark.holds(
    "Don't count probes as users",
    "While 600 probes a minute are answered, 5 users a minute get nothing but errors, and nobody is told.",
)
@pytest.mark.service(FIRES)
@pytest.mark.parametrize(
    "patch",
    [None, failing(f"{FOLDER}/probed.patch", r"alertname: ErrorBudgetBurnsFast, time: 2h,")],
)
def test_probes_hide_no_failure(service: Holds, patch: str | None, record_property: Any) -> None:
    planted = case("all that users ask for fails, and 600 probes a minute are answered")
    users, probes = (each["values"] for each in planted["input_series"][:2])
    record_property("figure", f"{re.findall(r'[+](.*)x', probes)[0]} probes")
    record_property("figure", f"{re.findall(r'[+](.*)x', users)[0]} users")
    service()


HANGS = "tests/test_middleware.py::test_a_request_that_hangs_is_in_no_count"
IDLE = """
rule_files: [deploy/alerts.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'http_requests_total{status="200"}', values: "0+600x60 36000x60"}
      - {series: 'http_request_duration_seconds_bucket{le="0.5"}', values: "0+600x60 36000x60"}
      - {series: 'http_request_duration_seconds_bucket{le="+Inf"}', values: "0+600x60 36000x60"}
    alert_rule_test:
      - {eval_time: 90m, alertname: ErrorBudgetBurnsFast, exp_alerts: []}
      - {eval_time: 90m, alertname: ErrorBudgetBurnsSlowly, exp_alerts: []}
      - {eval_time: 90m, alertname: RequestsAreLate, exp_alerts: []}
"""


@pytest.mark.holds(
    "A request that hangs is in no count",
    "The service counts a request when it ends, so requests that hang fire no alert on errors, and none on late requests.",
    "The answers of your proxy for a service that is gone are in none of these counts either.",
)
@pytest.mark.service(HANGS)
@pytest.mark.proves(RULES)
def test_what_hangs_fires_no_alert(service: Holds, tmp_path: Path, promtool: None) -> None:
    service()
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy/alerts.yml").write_text((SNIPPETS / RULES).read_text())
    (tmp_path / "test.yml").write_text(IDLE)
    command = ["promtool", "test", "rules", "test.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    asked = set(re.findall(r"\b(\w+?)(?:_bucket)?\{", (SNIPPETS / RULES).read_text()))
    assert asked >= {"http_requests_total", "http_request_duration_seconds"}
    assert not [name for name in asked if "nginx" in name], "no rule asks the proxy"


FIRST = """
rule_files: [rules.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'http_requests_total{status="500"}', values: "_x10 1x10 2x10"}
    alert_rule_test:
      - {eval_time: 11m, alertname: ErrorBudgetBurnsFast, exp_alerts: []}
      - {eval_time: 20m, alertname: ErrorBudgetBurnsFast, exp_alerts: []}
      - eval_time: 22m
        alertname: ErrorBudgetBurnsFast
        exp_alerts: [{exp_labels: {severity: page}}]
"""


@pytest.mark.holds(
    "It misses the first error of a route, because a series that begins at 1 has no increase() yet.",
)
@pytest.mark.proves(f"{FOLDER}/single.patch")
def test_the_first_error_is_no_increase(tmp_path: Path, promtool: None) -> None:
    patch = (SNIPPETS / FOLDER / "single.patch").read_text()
    (expression,) = re.findall(r"^[+] +expr: (.*increase.*)$", patch, re.MULTILINE)
    alert = {"alert": "ErrorBudgetBurnsFast", "expr": expression, "labels": {"severity": "page"}}
    (tmp_path / "rules.yml").write_text(
        yaml.safe_dump({"groups": [{"name": "service", "rules": [alert]}]})
    )
    (tmp_path / "test.yml").write_text(FIRST)
    command = ["promtool", "test", "rules", "test.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.holds(
    "Or a single error wakes somebody at night, and after some weeks nobody reads the alerts.",
    "Don't wake somebody for one error",
    "It fires on a good day, whose 30 errors in a row are 1 of 600 requests each minute.",
)
@pytest.mark.service(FIRES)
@pytest.mark.parametrize(
    "patch",
    [None, failing(f"{FOLDER}/single.patch", r"alertname: ErrorBudgetBurnsFast, time: 10h20m")],
)
def test_one_error_wakes_nobody(service: Holds, patch: str | None, record_property: Any) -> None:
    good, bad = (each["values"] for each in case("a good day")["input_series"][:2])
    ((each, many),) = re.findall(r" 0\+(\d)x(\d+) ", bad)
    record_property("figure", f"{many} errors")
    requests = good.partition("+")[2].partition("x")[0]
    record_property("figure", f"{each} of")
    record_property("figure", f"{requests} requests")
    service()


@pytest.mark.holds(
    "Watch what waits, and that you are told of it",
    "The age of the oldest message grows when the relay, the broker, the workers or the mail server are away: one alert on the symptom fires for each cause.",
    "While the database is away, no server knows the outbox, and max(outbox_oldest_seconds) > 600 is quiet.",
    "So absent() alerts on the series that isn't there:",
    "One mail that its server puts off for 15 minutes fires it too: give it ticket where that is usual.",
)
@pytest.mark.service(FIRES, OUTBOX, BROKERLESS, HOUR, PUT_OFF)
@pytest.mark.proves(CASES)
def test_what_nobody_tells_is_told(service: Holds, record_property: Any) -> None:
    service()
    rule, minutes = rules()["MessagesWait"], 600 // 60
    assert "outbox_messages" not in rule["expr"], "however many there are"
    record_property("figure", f"{minutes + int(rule['for'][:-1])} minutes")
    away = case("the database is away")
    fires = {each["alertname"]: bool(each["exp_alerts"]) for each in away["alert_rule_test"]}
    assert fires == {"MessagesWait": False, "OutboxIsUnknown": True}
    told = rules()
    assert told["MessagesWait"]["expr"] == "max(outbox_oldest_seconds) > 600"
    assert told["OutboxIsUnknown"]["expr"].startswith("absent(")


@pytest.mark.holds(
    "Don't ask for a metric that isn't there",
    "promtool check rules knows no service, so it is green here too.",
    "It refuses a metric that the service doesn't expose, with file, line, reason and cure.",
)
@pytest.mark.service(ASKS)
@pytest.mark.parametrize(
    "patch",
    [
        None,
        failing(
            f"{FOLDER}/misnamed.patch",
            r"deploy/alerts.yml:\d+: outbox_age_seconds is never exposed. Ask for outbox_",
        ),
    ],
)
def test_a_metric_that_is_not_there_is_refused(
    service: Holds, patch: str | None, tmp_path: Path, promtool: None
) -> None:
    assert checked(tmp_path, "misnamed.patch")
    service()


@pytest.mark.holds(
    "Be told what users notice, and no more",
    "It refuses an alert that fires in no test, or is quiet in none, and a series in the test with a status that its endpoint doesn't document.",
    "Then let this function compare the rules and their test with what the service exposes:",
)
@pytest.mark.service(ASKS, REFUSED, FIRES, KNOWN)
@pytest.mark.proves("service/tests/test_alerts.py")
def test_what_can_never_fire_is_refused(service: Holds) -> None:
    service()


@pytest.mark.holds(
    "These commands change nothing, and a test runs each of them on the service with a fault of its own:",
)
@pytest.mark.service(MINUTES)
@pytest.mark.proves("service/deploy/first_minutes.sh")
def test_the_commands_of_the_first_minutes_run(service: Holds) -> None:
    service()
    firsts = {rule["annotations"]["first"] for rule in rules().values()}
    script = (SERVICE / "deploy/first_minutes.sh").read_text()
    for first in firsts:
        assert f'"{first.removeprefix("curl ")}"' in script or f"\n{first} " in script, first
