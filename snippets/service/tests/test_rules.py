"""What stands beside the code for whoever changes it says what is so."""

import re
import tomllib

import pytest
import yaml

from dev.processes import ROOT
from tests.test_gates import PLANTED

TIERS = tomllib.loads((ROOT / "tiers.toml").read_text())
ROW = re.compile(r"^\| (.+) \| `(\w+)` \|$", re.MULTILINE)
HELD = {*PLANTED, "wiring", "suite"}  # by a test that plants what breaks them
COMMAND = re.compile(r"^([a-z]+):.*## ", re.MULTILINE)


def test_each_rule_has_a_gate_that_refuses_what_breaks_it() -> None:
    gates = [gate for _, gate in ROW.findall((ROOT / "AGENTS.md").read_text())]
    assert sorted(gates) == sorted(HELD)
    assert set(gates) <= set(TIERS["tiers"]["m"]["gates"])


@pytest.mark.parametrize("name", ["AGENTS.md", ".pre-commit-config.yaml"])
def test_each_command_is_there(name: str) -> None:
    known = set(COMMAND.findall((ROOT / "Makefile").read_text()))
    named = set(re.findall(r"\bmake ([a-z]+)\b", (ROOT / name).read_text()))
    assert named and named <= known


def test_the_hooks_pass_the_gates_of_small_changes() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    (local,) = hooks["repos"]
    assert local["repo"] == "local", "others could not be reached everywhere"
    entries = {hook["id"]: hook["entry"] for hook in local["hooks"]}
    assert entries == {"xs": "make xs", "s": "make s"}


def test_an_update_waits_a_week() -> None:
    told = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text())
    waits = {one["package-ecosystem"]: one["cooldown"] for one in told["updates"]}
    assert waits == {
        key: {"default-days": 7} for key in ["pip", "github-actions", "docker"]
    }


def test_the_parts_of_the_compose_file_are_those_of_the_readme() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    readme = (ROOT / "README.md").read_text()
    for name in "worker", "relay", "scheduler":
        assert f"| {name} | `{services[name]['command']}` |" in readme
        assert "TOKEN_KEY" not in services[name]["environment"]
    assert "TOKEN_KEY" in services["server"]["environment"]
    assert services["worker"]["stop_grace_period"] == "50s"
    assert services["migration"]["command"].startswith("alembic upgrade")


def test_the_workflow_calls_the_script_that_is_there() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())
    (job,) = workflow["jobs"].values()
    assert job["steps"][-1]["run"] == "bash .ci/run"
    assert (ROOT / ".ci/run").exists()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    least = project["requires-python"].removeprefix(">=")
    assert job["strategy"]["matrix"]["python"][0] == least
