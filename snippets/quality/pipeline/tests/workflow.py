# region imports
from pathlib import Path
from typing import Any

import yaml  # of pyyaml

# endregion
GATES = "bash .ci/run"  # the command that ends with yours
HIDES = {"continue-on-error", "if"}


def hidden(job: dict[str, Any]) -> list[str]:
    """Return what lets a job end green though a gate fails."""
    steps = job["steps"]
    found = [key for part in (job, *steps) for key in part if key in HIDES]
    runs = [step["run"] for step in steps if "run" in step]
    return found if runs == [GATES] else [*found, f"it runs {runs}"]


def test_nothing_hides_a_failing_gate() -> None:
    workflow = Path(".github/workflows/test.yml").read_text()
    assert hidden(yaml.safe_load(workflow)["jobs"]["test"]) == []
