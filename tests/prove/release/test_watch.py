"""What the page on watching a release claims."""

import ast
import json
import math
import re
import runpy
import tomllib
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from prometheus_client import Histogram

from tests.engine.pages import DOCS, SNIPPETS
from tests.parts.evidence import failing
from tests.parts.service import SERVICE
from tests.prove.sentences import sentences

FOLDER = "release/watch"
RULES = "service/deploy/watch.yml"
FLAGS = SNIPPETS / FOLDER / "flags.toml"
TESTS = (SERVICE / "tests/test_watch.py").read_text()
HERE = "tests/test_watch.py::"
SIGNALS = f"{HERE}test_the_signals_tell_a_bad_release"
VERDICT = f"{HERE}test_a_canary_is_worse_or_not"
ON_AVERAGE = f"{HERE}test_both_take_as_long_on_average"
BOTH = f"{HERE}test_what_hits_both_is_no_fault_of_the_canary"
NAMES = f"{HERE}test_each_query_asks_for_what_is_exposed"
REFUSED = f"{HERE}test_a_name_that_nobody_exposes_is_refused"
PROBES = f"{HERE}test_probes_are_no_requests"
BUCKETS = f"{HERE}test_seconds_are_compared_by_buckets"
RECORD = " ".join((SERVICE / "dev/record.py").read_text().split())
PEAK = f"{HERE}test_a_process_tells_its_peak"
ESTIMATE = f"{HERE}test_a_percentile_is_an_estimate"
THREE = f"{HERE}test_three_of_300_requests_decide_a_p99"
LABELS = f"{HERE}test_what_a_label_holds_is_not_compared"
MISSPELT = (
    "watch.yml:11: nobody exposes the metric http_request_total, .*; name http_requests_total"
)
Holds = Callable[[], None]


INSTRUCTIONS = [
    "Tell a bad release within minutes",
    "Compare a canary with its control, signal by signal, and go back where it is worse.",
    "If you don't know what to compare, take the error rate, the p99, the memory, and what the workers did.",
    "Keep the alerts too: where both get worse, the canary may be the cause, as by a lock that both wait for.",
    "Watch memory and workers",
    "Put a bucket at the limit of your budget, and compare percentiles of the same buckets only.",
    "Give each feature flag a last day",
    "Run it on a schedule, as Support the Pythons that get fixes does, and never among the tests of a change.",
    "Copy snippets/service/dev/queries.py, put your metrics for ours, and let a test of yours hold each file of rules by findings:",
    "Look at your thresholds after each release that you took back: no tool sees whether they suit your users.",
]


JUDGEMENTS = [
    "We call the processes of a new release that get a part of the requests first a canary.",
    "We call as many new processes of the release before a control.",
    "We would send the canary more requests, or go back, where it is still unknown after 15 minutes.",
    "We would let the person who deploys read both verdicts before each step, such as 1%, 10% and 100% of the requests.",
]


def body(test: str) -> str:
    """Return the source of a test of the service, which a page's figures come from."""
    told = TESTS.partition(f"def {test.removeprefix(HERE)}(")[2]
    assert told, test
    return re.split(r"\n# --8<-- |\n\n\n", told)[0]


def rows() -> list[str]:
    """Return the page's table of the signals as the service's test has them."""
    (text,) = re.findall(r"^TOLD = (\{.*?^\})", TESTS, re.MULTILINE | re.DOTALL)
    found = []
    for name, (series, *values) in ast.literal_eval(text).items():
        kind = series.rpartition(" canary")[0]
        told = [shown(name, value) for value in values]
        found.append(" | ".join([", ".join(filter(None, (name, kind))), *told]))
    return found


def shown(name: str, value: float) -> str:
    """Return a value as the page shows it."""
    if "ratio" in name:
        return f"{value:.0%}".replace("%", " %")
    if "bytes" in name:
        return f"{value / 1e6:g} MB"
    return f"{value:g} s" if "seconds" in name else ("yes" if value else "no")


@pytest.mark.holds(
    "Signal | Good | Bad",
    "What a good and a bad release told",
    "We recorded the metrics of both, and promtool evaluates the rules on them.",
    "Each reading stands for 30 seconds, and the control got twice the requests.",
    "The failures and the end of the worker are no faults of the bad release: we closed its SMTP port and sent SIGTERM.",
    "After 20 minutes, the rules tell this of the two canaries:",
    "track:errors:ratio5m | 0 % | 4 %",
    "track:seconds:p50 | 0.02 s | 0.02 s",
    "track:seconds:p95 | 0.09 s | 0.09 s",
    "track:seconds:p99 | 0.19 s | 0.58 s",
    "track:memory:bytes_per_hour, server | 3 MB | 109 MB",
    "track:failures:ratio5m | 0 % | 100 %",
    "track:targets:up, worker | yes | no",
    "The next rules tell within which time 50, 95 and 99 of 100 requests end, which is called p50, p95 and p99:",
    "A worker can answer and yet send no mail: track:failures:ratio5m tells.",
)
@pytest.mark.service(SIGNALS, f"{HERE}test_what_was_recorded_is_exposed_still")
@pytest.mark.proves(RULES)
def test_the_signals_tell_a_bad_release(service: Holds, record_property: Any) -> None:
    service()
    page = sentences(DOCS / f"{FOLDER}.md")
    assert [row.text for row in page if row.kind == "row"][-7:] == rows()
    assert 'at: str = "20m"' in TESTS
    assert '"promtool", "test", "rules"' in TESTS
    bad = json.loads((SERVICE / "tests/fixtures/releases.json").read_text())["bad"]
    outcomes = [name for name in bad if name.startswith("worker_tries_total")]
    assert (bad['up{job="worker"}'][0], len(outcomes)) == ("1", 1)
    assert 'outcome="delayed"' in outcomes[0]
    assert "each reading stands for the 30 seconds after the one before" in RECORD
    assert "smtp if mails else free_port()" in RECORD and "signal(signal.SIGTERM)" in RECORD
    assert "record(source, 80)" in RECORD and RECORD.count(", 40") == 2
    assert "worker" not in RECORD.partition("FAULTS = {")[2].partition('"""')[0]
    for figure in ("30 seconds", "20 minutes", "50", "95 and", "99 of", "100 requests"):
        record_property("figure", figure)
    for row in rows():
        for figure in re.findall(r"[\d.]+(?: s)?", row):
            record_property("figure", figure)


@pytest.mark.holds(
    "Don't divide nothing",
    "A release that never answered with a 5xx has no such series, so its error rate is nothing.",
    "A comparison with nothing gives nothing: the bad release gets no verdict.",
)
@pytest.mark.service(VERDICT)
@pytest.mark.parametrize("patch", [None, failing(f"{FOLDER}/nothing.patch", r"\[None, 1\.0\]")])
def test_no_error_is_zero(service: Holds, patch: str | None) -> None:
    recorded = json.loads((SERVICE / "tests/fixtures/releases.json").read_text())
    assert not [name for name in recorded["control"] if 'status="5' in name]
    service()


@pytest.mark.holds(
    "The service keeps its queries as recording rules in PromQL.",
    "The first of them counts requests, without those of probes and of unknown routes:",
    "Look at or: a release with requests and without an error gets 0 from it, and not nothing.",
    "The first error of each series isn't counted, because a series that is new has no rate.",
    "A 4xx is no error here, and the 404 of a lost route isn't counted: compare their share too.",
    "The last rules give two verdicts, and you compare the other signals yourself:",
    "The verdict on errors is 1 where the canary's error rate is more than one percentage point above the control's, and else 0.",
    "The verdict on seconds is 1 where the canary's p99 is more than twice the control's, and else 0.",
    "With fewer than 300 requests to either in 5 minutes, there is no verdict: the canary is unknown, not good.",
    "After 5 minutes, both verdicts on the bad release are 1, and those on the good one 0.",
    "A release passed all tests, and its users see errors for an hour before anybody notices.",
)
@pytest.mark.service(
    VERDICT,
    PROBES,
    BUCKETS,
    f"{HERE}test_a_canary_with_few_requests_gets_no_verdict",
    f"{HERE}test_a_verdict_needs_300_requests_to_each",
    f"{HERE}test_an_error_rate_is_worse_by_over_a_percentage_point",
    f"{HERE}test_the_first_error_of_a_series_has_no_rate",
    f"{HERE}test_without_requests_an_error_rate_is_unknown",
    f"{HERE}test_what_a_client_did_wrong_is_no_error",
)
@pytest.mark.proves(RULES)
def test_a_canary_gets_a_verdict(service: Holds, record_property: Any) -> None:
    service()
    assert 'at="5m"' in body(VERDICT)
    rules = (SNIPPETS / RULES).read_text()
    assert rules.count(">= 300") == 4 and rules.count("record: canary:") == 2
    assert "+ 0.01\n" in rules and "* 2\n" in rules
    assert set(re.findall(r"rate5m|\[5m\]", rules)) == {"rate5m", "[5m]"}
    for figure in ("5 minutes", "300 requests", "1 where", "0 from", "0", "1", "404 of"):
        record_property("figure", figure)


def blamed(requests: int, share: float) -> float:
    """Return how often a canary is blamed whose errors are as likely as the control's."""
    likely = [
        math.comb(requests, n) * share**n * (1 - share) ** (requests - n)
        for n in range(requests + 1)
    ]
    point = requests // 100
    return sum(
        canary * control
        for errors, canary in enumerate(likely)
        for control in likely[: max(0, errors - point)]
    )


@pytest.mark.holds(
    "Chance decides some verdicts, so compare those of two windows of 5 minutes:",
    "With 300 requests to each, and 1% of errors in both, about 1 window in 14 blames a good release.",
    "With 300 requests, 3 of them decide the p99.",
    "Where 1 of 100 takes 400 ms and the others 30 ms, more than 1 window in 5 blames a good release.",
)
@pytest.mark.service(THREE)
@pytest.mark.proves(RULES)
def test_few_requests_blame_a_good_release(service: Holds, record_property: Any) -> None:
    service()
    assert 13.5 < 1 / blamed(300, 0.01) < 14.5
    three = round(300 * (1 - 0.99))
    few = sum(math.comb(300, n) * 0.01**n * 0.99 ** (300 - n) for n in range(three + 1))
    assert few * (1 - few) > 1 / 5
    assert {0.025, 0.05, 0.25, 0.5} < {*Histogram.DEFAULT_BUCKETS}
    assert '"0.05": soon, "0.25": soon, "0.5": each' in TESTS, "as with 30 ms and 400 ms"
    for figure in ("300 requests", "1% of", "1 window", "14 blames", f"{three} of", "5 blames"):
        record_property("figure", figure)
    for figure in ("1 of", "100 takes", "400 ms", "30 ms", "5 minutes"):
        record_property("figure", figure)


@pytest.mark.holds(
    "Don't compare averages",
    "Or the graph of the average looks as it did before, and a few requests take a second longer.",
    "After 5 minutes, a request to either release takes 31 milliseconds on average, and a factor of two doesn't find the bad one.",
    "The p99 of the canary is 600 milliseconds, and that of the control is 170 milliseconds.",
)
@pytest.mark.service(f"{VERDICT}[bad-1]")
@pytest.mark.parametrize("patch", [None, failing(f"{FOLDER}/averaged.patch", r"\[1\.0, 0\.0\]")])
def test_an_average_hides_the_slow(service: Holds, patch: str | None) -> None:
    service()


@pytest.mark.holds(
    "After 5 minutes, a request to either release takes 31 milliseconds on average, and a factor of two doesn't find the bad one.",
    "The p99 of the canary is 600 milliseconds, and that of the control is 170 milliseconds.",
)
@pytest.mark.service(ON_AVERAGE)
@pytest.mark.proves(f"{FOLDER}/averaged.patch")
def test_both_take_as_long_on_average(service: Holds, record_property: Any) -> None:
    service()
    assert 'at="5m"' in body(ON_AVERAGE)
    assert "== {0.031}" in body(ON_AVERAGE)
    patch = (SNIPPETS / FOLDER / "averaged.patch").read_text()
    assert patch.count('{track="control"} * 2\n') == 2
    assert '{"canary": 0.6, "control": 0.17}' in body(ON_AVERAGE)
    for figure in ("31 milliseconds", "600 milliseconds", "170 milliseconds", "5 minutes"):
        record_property("figure", figure)


@pytest.mark.holds(
    "Don't compare with a fixed number",
    "Here the control has the same errors as the canary, and the fixed number blames the canary.",
)
@pytest.mark.service(BOTH)
@pytest.mark.parametrize("patch", [None, failing(f"{FOLDER}/fixed.patch", r"\[1\.0, 0\.0\]")])
def test_what_hits_both_blames_nobody(service: Holds, patch: str | None) -> None:
    service()


@pytest.mark.holds(
    "Don't ask for a metric that nobody exposes",
    "The service compares the names in its queries with its own metrics.",
    "It sees no value of a label, such as 5xx, and not which metric has which label: test each rule on data too.",
    "The refusal names the file and the line, and http_requests_total as the name that may be meant.",
)
@pytest.mark.service(NAMES, LABELS)
@pytest.mark.parametrize("patch", [None, failing(f"{FOLDER}/misspelt.patch", MISSPELT)])
def test_a_name_is_compared(service: Holds, patch: str | None) -> None:
    service()


@pytest.mark.holds(
    "promtool check rules passes this file, and the rules that rest on the name find nothing.",
)
@pytest.mark.service(REFUSED, NAMES)
@pytest.mark.proves(f"{FOLDER}/misspelt.patch")
def test_promtool_knows_no_metrics(service: Holds) -> None:
    service()
    command = json.dumps("promtool check rules".split())  # noqa: SIM905  it is the page's
    assert f"{command[:-1]}, str(file)]" in body(REFUSED)


@pytest.mark.service(NAMES, REFUSED)
@pytest.mark.proves("service/dev/queries.py")
def test_the_names_of_each_query_are_held(service: Holds) -> None:
    service()


@pytest.mark.holds(
    "A target that its discovery no longer lists has no up, and isn't told as down.",
    "A worker that takes no job has no failures either: look at outbox_oldest_seconds.",
)
@pytest.mark.service(
    f"{HERE}test_a_target_that_is_gone_is_not_down",
    f"{HERE}test_a_worker_that_takes_no_job_has_no_failures",
)
@pytest.mark.proves(RULES)
def test_what_is_gone_tells_nothing(service: Holds) -> None:
    service()
    waits = (SERVICE / "src/accounts/metrics.py").read_text()
    assert '"outbox_oldest_seconds"' in waits


@pytest.mark.holds(
    "Its gauge has the mode livemax, which forgets a process that ended, so a leak is hidden once its process was replaced.",
    "A new process grows while it warms up, so compare it with a control that is as new.",
)
@pytest.mark.service(
    SIGNALS,
    PEAK,
    f"{HERE}test_the_peak_of_a_process_that_ended_is_forgotten",
    "tests/test_gunicorn.py::test_its_folder_ends_with_it",
)
@pytest.mark.proves(RULES)
def test_a_new_process_grows(service: Holds) -> None:
    service()
    assert 'multiprocess_mode="livemax"' in (SERVICE / "src/accounts/metrics.py").read_text()
    recorded = json.loads((SERVICE / "tests/fixtures/releases.json").read_text())
    name = 'process_peak_memory_bytes{job="server",kind="server"}'
    for release in ("control", "good"):
        peaks = [float(each) for each in recorded[release][name].split()]
        half = len(peaks) // 2
        assert peaks[half] - peaks[0] > 5 * (peaks[-1] - peaks[half])


@pytest.mark.holds(
    "A percentile is an estimate",
    "A histogram counts requests in buckets, and knows no single time.",
    "Of 100 requests that take 300 milliseconds each, the p50 is told as 375 and the p99 as nearly 498 milliseconds.",
    "Above the last bucket nothing is known: for requests of 60 seconds, both are told as 10 seconds.",
    "So a control whose p99 is told as over 5 seconds never has a worse canary.",
    "Times of one bucket are told alike: a canary at 2400 milliseconds isn't worse than a control at 1100 milliseconds.",
)
@pytest.mark.service(ESTIMATE, BUCKETS)
@pytest.mark.proves(RULES)
def test_a_percentile_is_an_estimate(service: Holds, record_property: Any) -> None:
    service()
    values = re.findall(r"\[\((.*)\)\]\n\)\ndef test_a_percentile", TESTS)
    compared = re.findall(r"\[(\(.*\))\],\n\)\ndef test_seconds_are", TESTS)
    assert compared == ["(2.4, 1.1, 0), (2.6, 1.1, 1), (60, 4, 1), (60, 6, 0)"]
    assert values == ["0.3, 0.375, 0.4975), (60, 10, 10"]
    assert "range(100)" in body("buckets")
    for figure in (
        "100 requests",
        "300 milliseconds",
        "375 and",
        "498 milliseconds",
        "60 seconds",
        "10 seconds",
        "5 seconds",
        "2400 milliseconds",
        "1100 milliseconds",
    ):
        record_property("figure", figure)


def remarks(snippet: ModuleType, text: str, folder: Path, day: date) -> list[str]:
    """Return what is said of some flags on a day."""
    file = folder / "flags.toml"
    file.write_text(text)
    found: list[str] = snippet.forgotten(file, day)
    return [one.removeprefix(f"{file}:") for one in found]


@pytest.mark.holds(
    "On the day after its last, by UTC, flags.py names the flag, its file and line, and who removes it.",
    "A flag without a date is named at once, and one that the file doesn't list is never named: read no flag but from it.",
    "Write each header as [new_invoice] stands there, with an owner and a date: all else ends flags.py with an error.",
    "Without the name of a file, flags.py looks at nothing and is green.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/flags.py"], indirect=True)
def test_a_forgotten_flag_is_red(snippet: ModuleType, tmp_path: Path) -> None:
    text, later = FLAGS.read_text(), date(2100, 1, 1)
    last = tomllib.loads(text)["new_invoice"]["until"]
    assert remarks(snippet, text, tmp_path, last) == []
    line = text.splitlines().index("[new_invoice]") + 1
    told = remarks(snippet, text, tmp_path, last + timedelta(days=1))
    assert told == [f"{line}: new_invoice ended on {last}; let billing remove it"]
    assert len(remarks(snippet, text, tmp_path, later)) == 2
    with pytest.raises(SystemExit, match=f"flags.toml:{line}: new_invoice"):
        snippet.main([str(FLAGS)], later)
    snippet.main([str(FLAGS)], last)
    undated = remarks(snippet, text.replace(f"until = {last}\n", ""), tmp_path, last)
    why = "new_invoice has no date; let billing write `until`"
    assert undated == [f"{line}: {why}"]
    assert remarks(snippet, f"# [new_invoice]\n{text}", tmp_path, later)[0][0] == str(line + 1)
    wrong = {"[new_invoice]": '["new_invoice"]', str(last): f"{last}T00:00:00", "owner =": "who ="}
    for right, changed in wrong.items():
        with pytest.raises((ValueError, TypeError, KeyError)):
            remarks(snippet, text.replace(right, changed), tmp_path, later)
    (tmp_path / "flags.toml").write_text("")
    assert snippet.forgotten(tmp_path / "flags.toml", later) == []
    snippet.main([], later)  # it is green
    assert "datetime.now(UTC).date()" in FLAGS.with_name("flags.py").read_text()


@pytest.mark.holds(
    "Give each feature flag, which switches new code on or off, an owner and a last day:",
)
@pytest.mark.proves(f"{FOLDER}/flags.toml")
def test_each_flag_has_an_owner_and_a_date() -> None:
    forgotten = runpy.run_path(str(FLAGS.with_name("flags.py")))["forgotten"]
    assert forgotten(FLAGS, date(2027, 1, 1)) == []
    flags = tomllib.loads(FLAGS.read_text()).values()
    assert all(set(flag) == {"owner", "until"} for flag in flags)
