"""What tells a good release from a bad one, on what was recorded of both."""

import json
import math
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import yaml
from prometheus_client import Histogram
from prometheus_client.multiprocess import mark_process_dead

from accounts import metrics
from dev import queries, record
from dev.processes import ROOT
from tests.system import require

require("alerts")
WATCH = ROOT / "deploy/watch.yml"
RECORDED: dict[str, dict[str, str]] = json.loads(record.FILE.read_text())
NEVER = {"labels": "never", "value": 0}
GOT = re.compile(r'expr: "(.*)", time: .*\n.*exp: .*\n +got: (.*)')
SAMPLE = re.compile(r"\{([^}]*)\} ([-+\w.]+)")
Values = dict[str, float]
Ask = Callable[..., dict[str, Values]]


def series(release: str, track: str) -> dict[str, str]:
    """Return what was recorded of a release, as that of a track."""
    recorded = RECORDED[release].items()
    return {
        name.replace("{", f'{{track="{track}",', 1): told for name, told in recorded
    }


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """What asks promtool for the values of queries, by their labels."""

    def ask(told: dict[str, str], *asked: str, at: str = "20m") -> dict[str, Values]:
        tests = [
            {"expr": query, "eval_time": at, "exp_samples": [NEVER]} for query in asked
        ]
        inputs = [{"series": name, "values": row} for name, row in told.items()]
        test = {"interval": "30s", "input_series": inputs, "promql_expr_test": tests}
        rules = {"rule_files": [str(WATCH)], "evaluation_interval": "30s"}
        file = tmp_path / "test.yml"
        file.write_text(yaml.safe_dump({**rules, "tests": [test]}, width=10**6))
        command = ["promtool", "test", "rules", str(file)]
        done = subprocess.run(command, capture_output=True, text=True)
        found = GOT.findall(done.stdout + done.stderr)
        assert len(found) == len(asked), done.stdout + done.stderr
        return {query: values(got) for query, got in found}

    return ask


def values(got: str) -> Values:
    """Return what promtool found, by the values of its labels."""
    found = Values()
    for named, value in SAMPLE.findall(got):
        labels = dict(re.findall(r'(\w+)="([^"]*)"', named))
        labels.pop("__name__", None)
        found[" ".join(labels.values())] = float(value)
    return found


def watched(ask: Ask, release: str, *asked: str, at: str = "20m") -> dict[str, Values]:
    """Ask about a release that is compared with the one before."""
    told = series("control", "control") | series(release, "canary")
    return ask(told, *asked, at=at)


# --8<-- [start:releases]
TOLD = {  # after 20 minutes: of which series, of a good release, of a bad one
    "track:errors:ratio5m": ("canary", 0, 0.04),
    "track:seconds:p50": ("canary", 0.02, 0.02),
    "track:seconds:p95": ("canary", 0.09, 0.09),
    "track:seconds:p99": ("canary", 0.19, 0.58),
    "track:memory:bytes_per_hour": ("server canary", 3e6, 109e6),
    "track:failures:ratio5m": ("canary", 0, 1),
    "track:targets:up": ("worker canary", 1, 0),
}


@pytest.mark.parametrize(("place", "release"), [(1, "good"), (2, "bad")])
def test_the_signals_tell_a_bad_release(ask: Ask, place: int, release: str) -> None:
    told = watched(ask, release, *TOLD)
    found = {name: told[name][str(values[0])] for name, values in TOLD.items()}
    expected = {name: values[place] for name, values in TOLD.items()}
    assert found == pytest.approx(expected, rel=0.2, abs=0.005)


# --8<-- [end:releases]


def test_probes_are_no_requests(ask: Ask) -> None:
    told = watched(ask, "good", "sum by (track) (track:requests:rate5m)")
    (found,) = told.values()
    assert found["canary"] * 30 == pytest.approx(40)
    assert found["control"] * 30 == pytest.approx(80)


# --8<-- [start:canary]
VERDICTS = ["canary:errors:worse", "canary:seconds:worse"]


@pytest.mark.parametrize(("release", "worse"), [("good", 0), ("bad", 1)])
def test_a_canary_is_worse_or_not(ask: Ask, release: str, worse: int) -> None:
    told = watched(ask, release, *VERDICTS, at="5m")
    assert [told[name].get("") for name in VERDICTS] == [worse, worse]


# --8<-- [end:canary]


def test_both_take_as_long_on_average(ask: Ask) -> None:
    routes = "route!~'unmatched|/(healthz|readyz|metrics|users/events)'"
    taken = "sum by (track) (rate(http_request_duration_seconds_{}{{{}}}[5m]))"
    mean = f"{taken.format('sum', routes)} / {taken.format('count', routes)}"
    told = watched(ask, "bad", mean, "track:seconds:p99", at="5m")
    assert {round(value, 3) for value in told[mean].values()} == {0.031}
    found = {name: round(value, 2) for name, value in told["track:seconds:p99"].items()}
    assert found == {"canary": 0.6, "control": 0.17}


def test_a_canary_with_few_requests_gets_no_verdict(ask: Ask) -> None:
    early = watched(ask, "bad", "track:errors:ratio5m", *VERDICTS, at="2m")
    assert early["track:errors:ratio5m"]["canary"] > 0
    assert [early[name].get("") for name in VERDICTS] == [None, None]


def counted(
    track: str, status: int, told: str, route: str = "/users"
) -> dict[str, str]:
    """Return a series of requests that ended with a status."""
    labels = f'track="{track}",route="{route}",status="{status}"'
    return {f"http_requests_total{{{labels}}}": told}


@pytest.mark.parametrize(  # in each of the ten readings of 5 minutes
    ("requests", "worse"), [(30, 1), (29, None), (0, None)]
)
@pytest.mark.parametrize(
    ("few", "many"), [("control", "canary"), ("canary", "control")]
)
def test_a_verdict_needs_300_requests_to_each(
    ask: Ask, few: str, many: str, requests: int, worse: int | None
) -> None:
    errors = counted("canary", 500, f"0+{requests if few == 'canary' else 100}x40")
    idle = {} if few == "canary" else counted("control", 200, f"0+{requests}x40")
    other = counted(many, 200, "0+100x40")
    found = ask(errors | other | idle, VERDICTS[0])
    assert found[VERDICTS[0]].get("") == worse


@pytest.mark.parametrize(("percent", "worse"), [(0.9, 0), (1.1, 1)])
def test_an_error_rate_is_worse_by_over_a_percentage_point(
    ask: Ask, percent: float, worse: int
) -> None:
    wrong = round(percent * 10)
    told = counted("control", 200, "0+1000x40")
    told |= counted("canary", 200, f"0+{1000 - wrong}x40")
    told |= counted("canary", 500, f"0+{wrong}x40")
    assert ask(told, VERDICTS[0])[VERDICTS[0]] == {"": worse}


@pytest.mark.parametrize(
    ("told", "ratio"), [("_x30 1x10", 0), ("_x30 1x5 2x5", 1 / 3001)]
)
def test_the_first_error_of_a_series_has_no_rate(
    ask: Ask, told: str, ratio: float
) -> None:
    series = counted("canary", 200, "0+300x41") | counted("canary", 500, told)
    (found,) = ask(series, "track:errors:ratio5m").values()
    assert found == {"canary": pytest.approx(ratio, rel=0.1)}


def test_without_requests_an_error_rate_is_unknown(ask: Ask) -> None:
    (found,) = ask(counted("canary", 200, "7x40"), "track:errors:ratio5m").values()
    assert math.isnan(found["canary"])


def test_what_a_client_did_wrong_is_no_error(ask: Ask) -> None:
    told = counted("canary", 200, "0+30x40") | counted("canary", 422, "0+30x40")
    told |= counted("canary", 404, "0+30x40", "unmatched")
    asked = "track:errors:ratio5m", "track:requests:count5m"
    assert ask(told, *asked) == {asked[0]: {"canary": 0}, asked[1]: {"canary": 600}}


@pytest.mark.parametrize(
    ("series", "found"),
    [("worker_tries_total", [math.nan]), ("outbox_oldest_seconds", [])],
)
def test_a_worker_that_takes_no_job_has_no_failures(
    ask: Ask, series: str, found: list[float]
) -> None:
    told = {f'{series}{{track="canary",outcome="sent"}}': "5x40"}
    (ratio,) = ask(told, "track:failures:ratio5m").values()
    assert [*ratio.values()] == pytest.approx(found, nan_ok=True)


def test_a_target_that_is_gone_is_not_down(ask: Ask) -> None:
    told = {'up{track="canary",job="worker"}': "1x20 stale"}
    assert ask(told, "track:targets:up") == {"track:targets:up": {}}


# --8<-- [start:both]
def test_what_hits_both_is_no_fault_of_the_canary(ask: Ask) -> None:
    told = series("bad", "control") | series("bad", "canary")
    found = ask(told, *VERDICTS)
    assert [found[name].get("") for name in VERDICTS] == [0, 0]


# --8<-- [end:both]


# --8<-- [start:estimate]
@pytest.mark.parametrize(
    ("seconds", "p50", "p99"), [(0.3, 0.375, 0.4975), (60, 10, 10)]
)
def test_a_percentile_is_an_estimate(
    ask: Ask, seconds: float, p50: float, p99: float
) -> None:
    found = ask(buckets("canary", seconds), "track:seconds:p50", "track:seconds:p99")
    assert found["track:seconds:p50"]["canary"] == pytest.approx(p50)
    assert found["track:seconds:p99"]["canary"] == pytest.approx(p99)


# --8<-- [end:estimate]


def buckets(track: str, seconds: float) -> dict[str, str]:
    """Return what each 100 requests add to the buckets, which take that long."""
    taken = Histogram("http_request_duration_seconds", "", registry=None)
    for _ in range(100):
        taken.observe(seconds)
    return {
        f'{sample.name}{{track="{track}",le="{sample.labels["le"]}"}}': (
            f"0+{sample.value}x40"
        )
        for metric in taken.collect()
        for sample in metric.samples
        if sample.name.endswith("_bucket")
    }


@pytest.mark.parametrize(
    ("canary", "control", "worse"),
    [(2.4, 1.1, 0), (2.6, 1.1, 1), (60, 4, 1), (60, 6, 0)],
)
def test_seconds_are_compared_by_buckets(
    ask: Ask, canary: float, control: float, worse: int
) -> None:
    told = counted("canary", 200, "0+100x40") | counted("control", 200, "0+100x40")
    told |= buckets("canary", canary) | buckets("control", control)
    assert ask(told, VERDICTS[1])[VERDICTS[1]] == {"": worse}


def seldom(track: str, late: int) -> dict[str, str]:
    """Return the buckets of 300 requests in 5 minutes, of which some take 0.4 s."""
    soon, each = f"0+{30 - late / 10}x40", "0+30x40"
    told = {"0.025": "0x40", "0.05": soon, "0.25": soon, "0.5": each, "+Inf": each}
    return {
        f'http_request_duration_seconds_bucket{{track="{track}",le="{le}"}}': values
        for le, values in told.items()
    }


@pytest.mark.parametrize(("canary", "control", "worse"), [(4, 2, 1), (5, 4, 0)])
def test_three_of_300_requests_decide_a_p99(
    ask: Ask, canary: int, control: int, worse: int
) -> None:
    told = counted("canary", 200, "0+30x40") | counted("control", 200, "0+30x40")
    told |= seldom("canary", canary) | seldom("control", control)
    assert ask(told, VERDICTS[1])[VERDICTS[1]] == {"": worse}


# --8<-- [start:names]
def test_each_query_asks_for_what_is_exposed() -> None:
    found = list(queries.findings(WATCH))
    assert found == [], "\n".join(found)


# --8<-- [end:names]


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        (
            "http_requests_total{",
            "http_request_total{",
            "metric http_request_total, so the query finds nothing; "
            "name http_requests_total",
        ),
        (
            "{status=~",
            "{statuses=~",
            "label statuses, so the query finds nothing; name status",
        ),
        ("by (track, job)", "by (track, pod)", "label pod, so the query finds nothing"),
        ("track:seconds:p99{", "track:seconds:p999{", "metric track:seconds:p999"),
    ],
)
def test_a_name_that_nobody_exposes_is_refused(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    right: str,
    wrong: str,
    said: str,
) -> None:
    file, text = tmp_path / "watch.yml", WATCH.read_text()
    file.write_text(text.replace(right, wrong, 1))
    line = text[: text.index(right)].count("\n") + 1
    monkeypatch.setattr("sys.argv", ["", str(file)])
    with pytest.raises(SystemExit, match="1"):
        queries.main()
    told = capsys.readouterr().out
    assert told.startswith(f"{file}:{line}: nobody exposes the {said}")
    done = subprocess.run(["promtool", "check", "rules", str(file)])
    assert done.returncode == 0, "promtool knows no metrics"


@pytest.mark.parametrize(
    ("right", "wrong"), [('{status=~"5.."}', '{status="5xx"}'), ("status=~", "kind=~")]
)
def test_what_a_label_holds_is_not_compared(
    tmp_path: Path, right: str, wrong: str
) -> None:
    file = tmp_path / "watch.yml"
    file.write_text(WATCH.read_text().replace(right, wrong, 1))
    assert wrong in file.read_text()
    assert list(queries.findings(file)) == []


def test_a_process_tells_its_peak() -> None:
    metrics.weigh("server")
    samples = next(iter(metrics.MEMORY.collect())).samples
    told = {one.labels["kind"]: one.value for one in samples}
    held = psutil.Process().memory_info().rss
    assert held * 0.9 < told["server"] < held * 10


def test_the_peak_of_a_process_that_ended_is_forgotten(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    code = "from accounts import metrics; metrics.weigh('server')"
    command = [sys.executable, "-c", f"import os; {code}; print(os.getpid())"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    peak = 'process_peak_memory_bytes{kind="server"}'
    assert peak in metrics.exposition(None)[0].decode()
    mark_process_dead(int(done.stdout))  # type: ignore[no-untyped-call]  # it is typed in part
    assert peak not in metrics.exposition(None)[0].decode()


def test_a_query_that_counts_by_labels_behind_is_read() -> None:
    query = 'sum(rate(a_total{b="c"}[5m])) by (d) / on () e offset 5m # f'
    assert queries.asked(query) == ({"a_total", "e"}, {"b", "d"})


def test_what_was_recorded_is_exposed_still() -> None:
    names, labels = queries.exposed()
    for recorded in RECORDED.values():
        for name in recorded:
            metric, _, told = name.partition("{")
            assert metric in names | queries.OF_PROMETHEUS
            assert set(re.findall(r'(\w+)="', told)) <= labels | {"job", "le"}


def test_the_faults_that_were_recorded_fit_the_code(tmp_path: Path) -> None:
    assert (
        "SEEN.append"
        in Path(record.bad(tmp_path), "accounts/api/handlers.py").read_text()
    )
