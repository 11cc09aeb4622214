"""A project of one block and one claim, whose session needs nothing but an interpreter."""

import sys
from pathlib import Path

from tests.check.test_commands import commit

SESSION = '''\
"""Stands in for pytest: it runs the block, and writes a ledger as the engine does."""

import hashlib, json, os, pathlib, platform, runpy, subprocess, sys

version = os.environ.get("TINY", platform.python_version())
try:
    runpy.run_path("snippets/a.py")
except Exception as error:
    sys.exit(f"snippets/a.py:1: it fails: {error!r}")
head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
digest = lambda text: hashlib.sha256(text.encode()).hexdigest()
run = {"id": f"run-{version}", "python": version, "platform": "Linux", "packages": {}}
run |= {"commit": head.stdout.strip(), "date": "2026-01-02T03:04:05+00:00"}
proof = {"run": run["id"], "outcome": "passed", "tests": ["docs/a.md::line 3 run a.py"]}
proof |= {"executable": [1], "executed": [1], "checks": ["run"], "seconds": 0.1}
expects = {"outcome": "pass", "raises": None, "match": None, "findings": []}
text = pathlib.Path("snippets/a.py").read_text()
block = {"id": "a:1", "page": "a.md", "line": 3, "language": "python", "path": "a.py"}
block |= {"section": None, "sha256": digest(text), "kind": "do", "expects": expects}
claim = {"id": "a:s1", "page": "a.md", "line": 1, "heading": "A", "sentence": "A", "checks": []}
claim |= {"sha256": digest("A"), "kind": "label", "tests": [], "outcome": "passed"}
told = {"runs": [run], "blocks": [block | {"proofs": [proof]}], "escapes": []}
told["claims"] = [claim | {"run": run["id"]}]
told["digest"] = digest(json.dumps(told, sort_keys=True))
pathlib.Path("docs/ledger.json").write_text(json.dumps(told))
'''
MAKEFILE = """\
.venv/ready:
	mkdir --parents .venv/bin
	ln --symbolic $(PYTHON) .venv/bin/python
	.venv/bin/python -c ""
	touch $@
.venv/service/ready: .venv/ready
	mkdir .venv/service
	touch $@
"""
VERSIONS = ["3.11.7", "3.12.1", "3.13.0"]
OLD = "what stood there"
MATRIX = "jobs: {test: {strategy: {matrix: {python: ['3.11', '3.12', '3.13']}}}}\n"
TINY = {
    ".gitignore": "/.venv\n/docs/ledger.json\n__pycache__/\n",
    "pyproject.toml": '[project]\nname = "tiny"\nversion = "1"\nrequires-python = ">=3.11"\n',
    ".github/workflows/test.yml": MATRIX,
    "Makefile": MAKEFILE,
    "pytest.py": SESSION,
    "docs/a.md": '# A\n\n```python title="a.py"\n--8<-- "a.py"\n```\n',
    "snippets/a.py": "import sys\n",
}


def planted(root: Path) -> Path:
    """Write the project, commit it, and write something in the place of its ledger."""
    for path, text in TINY.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    commit(root, "Start")
    (root / "docs/ledger.json").write_text(OLD)
    return root


def stands(root: Path) -> str:
    """Return what stands in the place of the ledger."""
    return (root / "docs/ledger.json").read_text()


def rewrite(root: Path, path: str, text: str) -> None:
    """Commit another text of a file."""
    (root / path).write_text(text)
    commit(root, "Go on")


def posing(folder: Path, version: str) -> Path:
    """Write an interpreter that is this one, and tells the session of another version."""
    file = folder / version
    file.write_text(f'#!/bin/sh\nTINY={version} SELF={file} exec {sys.executable} "$@"\n')
    file.chmod(0o755)
    return file
