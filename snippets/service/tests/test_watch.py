"""What tells a good release from a bad one, on what was recorded of both."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from prometheus_client import Histogram

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
        inputs = [{"series": name, "values": values} for name, values in told.items()]
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


def watched(ask: Ask, release: str, *asked: str) -> dict[str, Values]:
    """Ask about a release that is compared with the one before."""
    told = series("control", "control") | series(release, "canary")
    return ask(told, *asked)


SIGNALS = [
    "track:errors:ratio5m",
    "track:seconds:p50",
    "track:seconds:p95",
    "track:seconds:p99",
    "track:memory:bytes_per_hour",
    "track:targets:up",
    "track:failures:ratio5m",
]


# --8<-- [start:releases]
def test_a_good_release_is_as_its_control(ask: Ask) -> None:
    told = watched(ask, "good", *SIGNALS)
    assert told["track:errors:ratio5m"] == {"canary": 0, "control": 0}
    assert told["track:failures:ratio5m"] == {"canary": 0, "control": 0}
    assert set(told["track:targets:up"].values()) == {1}
    for name in SIGNALS[1:4]:
        assert told[name]["canary"] < 2 * told[name]["control"]
    assert told["track:memory:bytes_per_hour"]["server canary"] < 20e6


def test_a_bad_release_is_told_from_its_control(ask: Ask) -> None:
    told = watched(ask, "bad", *SIGNALS)
    assert round(told["track:errors:ratio5m"]["canary"], 2) == 0.04
    assert told["track:failures:ratio5m"] == {"canary": 1, "control": 0}
    assert told["track:targets:up"]["worker canary"] == 0
    assert told["track:targets:up"]["server canary"] == 1
    assert (
        told["track:seconds:p50"]["canary"] < 2 * told["track:seconds:p50"]["control"]
    )
    assert (
        told["track:seconds:p99"]["canary"] > 2 * told["track:seconds:p99"]["control"]
    )
    assert told["track:memory:bytes_per_hour"]["server canary"] > 100e6


# --8<-- [end:releases]


# --8<-- [start:canary]
VERDICTS = ["canary:errors:worse", "canary:seconds:worse"]


@pytest.mark.parametrize(("release", "worse"), [("good", 0), ("bad", 1)])
def test_a_canary_is_compared_with_its_control(
    ask: Ask, release: str, worse: int
) -> None:
    told = watched(ask, release, *VERDICTS)
    assert told == {name: {"": worse} for name in VERDICTS}


# --8<-- [end:canary]


def test_a_canary_with_few_requests_gets_no_verdict(ask: Ask) -> None:
    told = series("control", "control") | series("bad", "canary")
    early = ask(told, "track:errors:ratio5m", *VERDICTS, at="2m")
    assert early["track:errors:ratio5m"]["canary"] > 0
    assert [early[name] for name in VERDICTS] == [{}, {}]


# --8<-- [start:both]
def test_what_hits_both_is_no_fault_of_the_canary(ask: Ask) -> None:
    told = series("bad", "control") | series("bad", "canary")
    assert ask(told, *VERDICTS) == {name: {"": 0} for name in VERDICTS}


# --8<-- [end:both]


# --8<-- [start:estimate]
@pytest.mark.parametrize(
    ("seconds", "p50", "p99"), [(0.3, 0.375, 0.4975), (60, 10, 10)]
)
def test_a_percentile_is_an_estimate(
    ask: Ask, seconds: float, p50: float, p99: float
) -> None:
    taken = Histogram("http_request_duration_seconds", "", registry=None)
    for _ in range(100):
        taken.observe(seconds)
    told = {
        f'{sample.name}{{track="canary",le="{sample.labels["le"]}"}}': sample.value
        for metric in taken.collect()
        for sample in metric.samples
        if sample.name.endswith("_bucket")
    }
    growing = {name: f"0+{count}x40" for name, count in told.items()}
    found = ask(growing, "track:seconds:p50", "track:seconds:p99")
    assert found["track:seconds:p50"]["canary"] == pytest.approx(p50)
    assert found["track:seconds:p99"]["canary"] == pytest.approx(p99)


# --8<-- [end:estimate]


# --8<-- [start:names]
def test_each_query_asks_for_what_is_exposed() -> None:
    assert list(queries.findings(WATCH)) == []


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
