# region imports
from pathlib import Path
from typing import Any

import yaml  # of pyyaml

# endregion
GATES = "bash .ci/run"  # the command that ends with yours
WHOLE = {"name", True, "permissions", "concurrency", "jobs"}  # True is `on`
JOB = {"name", "runs-on", "timeout-minutes", "permissions", "strategy", "steps"}


def hidden(workflow: dict[Any, Any], name: str) -> list[str]:
    """Return what may let a job end green though a gate fails."""
    job = workflow["jobs"][name]
    asked = workflow[True].get("pull_request", "others")
    found = [str(key) for key in workflow if key not in WHOLE]
    found += [key for key in job if key not in JOB]
    found += [f"only for {asked}"] if asked else []
    skips = {"if", "continue-on-error"}
    found += [key for step in job["steps"] for key in step if key in skips]
    matrix = job.get("strategy", {}).get("matrix", {})
    found += [
        key for key, told in matrix.items() if key == "exclude" or not told
    ]
    runs = [step for step in job["steps"] if "run" in step]
    told = [{key: step[key] for key in step if key != "name"} for step in runs]
    return found if told == [{"run": GATES}] else [*found, f"it runs {told}"]


def test_nothing_hides_a_failing_gate() -> None:
    text = Path(".github/workflows/test.yml").read_text()
    assert hidden(yaml.safe_load(text), "test") == []
