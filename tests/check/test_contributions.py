"""What contributors meet on a server: forms, a template, a dependency bot."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.check.test_workflow import audit, validate
from tests.engine.pages import ROOT

HOME = ROOT / ".github"
FORMS = sorted(set(HOME.glob("ISSUE_TEMPLATE/*.yml")) - {HOME / "ISSUE_TEMPLATE/config.yml"})
BOT = HOME / "dependabot.yml"
SCHEMAS = {
    BOT: "dependabot",
    HOME / "ISSUE_TEMPLATE/config.yml": "github-issue-config",
    **dict.fromkeys(FORMS, "github-issue-forms"),
}
MARKS = {
    "uv": r"requirements\.txt",
    "github-actions": r"\.github/workflows/test\.yml",
    "docker": "Dockerfile",
}


@pytest.mark.parametrize("file", SCHEMAS, ids=lambda path: path.name)
def test_each_file_keeps_its_schema(file: Path) -> None:
    done = validate(file, SCHEMAS[file])
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_unknown_field_is_refused(tmp_path: Path) -> None:
    form = tmp_path / "form.yml"
    form.write_text(FORMS[0].read_text().replace("type: textarea", "type: text_area", 1))
    done = validate(form, "github-issue-forms")
    assert done.returncode == 1
    assert "text_area" in done.stdout


def test_the_bot_sees_each_lock_workflow_and_image() -> None:
    told = yaml.safe_load(BOT.read_text())["updates"]
    listed = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True)
    for each in told:
        seen = each.get("directories", [each.get("directory")])
        marks = MARKS[each["package-ecosystem"]]
        homes = re.findall(rf"^(.*?)/?{marks}$", listed, re.MULTILINE)
        assert {*seen} == {f"/{home}" for home in homes}
    assert {each["package-ecosystem"] for each in told} == {*MARKS}


def test_the_bot_waits_before_it_proposes_a_release(tmp_path: Path) -> None:
    folder = tmp_path / ".github"
    folder.mkdir()
    copy = folder / BOT.name
    copy.write_text(BOT.read_text())
    done = audit(folder.parent, tmp_path / "cache")
    assert done.returncode == 0, done.stdout + done.stderr
    copy.write_text(BOT.read_text().replace("default-days: 7", "default-days: 1", 1))
    assert "dependabot-cooldown" in audit(folder.parent, tmp_path / "cache").stdout


TEXTS = [ROOT / "CONTRIBUTING.md", *sorted(HOME.glob("*.md"))]
NAMES = {
    "main",
    "dev",
    "v",
    "file",
}  # of a branch, of a version, before a number, of what isn't there


@pytest.mark.parametrize("file", TEXTS, ids=lambda path: path.name)
def test_what_a_text_names_is_there(file: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    told = [ROOT / "mkdocs.yml", ROOT / "CHANGELOG.md", *ROOT.glob("docs/templates/**/*.html")]
    shown = "\n".join(each.read_text() for each in told if each.exists())
    for name in re.findall(r"`([^`]+)`", file.read_text()):
        if name.startswith("make "):
            assert re.search(rf"^{name.split()[1]}:", makefile, re.MULTILINE), name
            continue
        there = name in NAMES or (ROOT / name).is_symlink() or (ROOT / name).exists()
        stands = re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.])", shown)
        assert there or (file.parent == ROOT and stands), name


def test_what_keeps_the_third_generator_out_stands_where_it_is_said_to() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text().partition("## The second generator")[2]
    rows = re.findall(r"^\| `(docs/[^`]+)` \| (.*?) \|", text, re.MULTILINE)
    assert len(rows) == 4
    for path, what in rows:
        if not (ROOT / path).is_symlink():
            held = (ROOT / path).read_text()
            assert all(name in held for name in re.findall(r"`([^`]+)`", what)), path
