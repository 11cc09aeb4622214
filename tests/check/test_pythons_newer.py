"""What needs a newer Python says so: it is skipped on an older one, and not taken for proven."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.check.test_commands import commit, shrink
from tests.check.test_oracle import SCHEMA, deferred
from tests.parts.copies import copied
from tests.publish import holds
from tests.pythons import newer

PAGE, BLOCK = "docs/concurrency/timeouts.md", "concurrency/timeouts/later.py"
TEST = "tests/prove/concurrency/test_timeouts.py"
SENTENCE = "Since Python {} a task says when it ends"
SHOWN = f"""
## {{}}

```python title="{BLOCK}"
--8<-- "{BLOCK}"
```
"""
LATER = """# /// script
# requires-python = ">={}"
# ///
import asyncio


def ends() -> str:
    return asyncio.{}.__name__


print(ends())
#> sleep
"""
HELD = f"""

@pytest.mark.holds("{{}}")
@pytest.mark.since({{}})
@pytest.mark.parametrize("snippet", ["{BLOCK}"], indirect=True)
def test_a_task_says_when_it_ends(snippet: ModuleType) -> None:
    assert snippet.ends() == "sleep"
"""
ASSERTS = f"""test_a_task_says_when_it_ends = ["['{BLOCK}']", "snippet.ends() == 'sleep'"]\n"""
CHECK = "\n## Check\n"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in which a session takes a moment."""
    copy = copied(tmp_path_factory.mktemp("newer") / "copy")
    shrink(copy)
    record = (copy / TEST).with_name("checks.toml")
    head, mark, rest = record.read_text().partition("[test_timeouts]\n")
    record.write_text(head + mark + ASSERTS + rest)
    (copy / ".venv").symlink_to(sys.prefix)
    commit(copy, "Start")
    return copy


def session(copy: Path, python: str, name: str, sentence: str) -> tuple[str, dict[str, Any]]:
    """Prove the page with a block and a claim that need a Python; return output and ledger."""
    subprocess.run(["git", "checkout", "--quiet", "."], cwd=copy, check=True)
    page, test = copy / PAGE, copy / TEST
    before, mark, after = page.read_text().partition(CHECK)
    assert mark
    page.write_text(before + SHOWN.format(sentence) + mark + after)
    (copy / "snippets" / BLOCK).write_text(LATER.format(python, name))
    held = HELD.format(sentence, python.replace(".", ", "))
    test.write_text(test.read_text() + held)
    (copy / "docs/ledger.json").unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", PAGE], cwd=copy, capture_output=True, text=True
    )
    told = json.loads((copy / "docs/ledger.json").read_text())
    return done.stdout, told


def of_it(told: dict[str, Any], sentence: str) -> tuple[Any, Any]:
    """Return what a ledger has of the block and of the sentence."""
    (block,) = [one for one in told["blocks"] if one["path"] == BLOCK]
    (claim,) = [one for one in told["claims"] if one["sentence"] == sentence]
    return block, claim


def test_an_older_python_skips_it_and_says_what_it_needs(copy: Path) -> None:
    sentence = SENTENCE.format("3.99")
    said, told = session(copy, "3.99", "tomorrow", sentence)
    assert "FAILED" not in said and " skipped" in said, said
    Draft202012Validator(json.loads(SCHEMA.read_text())).validate(told)
    block, claim = of_it(told, sentence)
    assert [block["since"], block["proofs"][0]["outcome"]] == ["3.99", "skipped"]
    assert [claim["since"], claim["outcome"]] == ["3.99", "skipped"]
    assert {one["proofs"][0]["outcome"] for one in told["blocks"] if one != block} == {"passed"}
    assert [deferred(one, told) for one in told["blocks"]].count(True) == 1


def test_a_python_that_is_new_enough_proves_it(copy: Path) -> None:
    sentence = SENTENCE.format("3.11")
    said, told = session(copy, "3.11", "sleep", sentence)
    assert "FAILED" not in said and "skipped" not in said, said
    block, claim = of_it(told, sentence)
    assert [block["since"], block["proofs"][0]["outcome"]] == ["3.11", "passed"]
    assert [claim["since"], claim["outcome"]] == ["3.11", "passed"]


def test_a_sentence_that_does_not_say_so_is_refused(copy: Path) -> None:
    sentence = "A task says when it ends"
    said, told = session(copy, "3.99", "tomorrow", sentence)
    assert f"its test needs Python 3.99, and it doesn't say so: {sentence!r}. Name that" in said
    assert of_it(told, sentence)[1]["outcome"] == "failed"


def test_a_release_asks_for_no_proof_on_what_is_older() -> None:
    run = {"id": "run", "python": "3.13.0"}
    block = {"page": "a.md", "line": 1, "since": "3.13", "pythons": {"3.13": "run"}}
    told = {"runs": [run], "blocks": [block | {"proofs": [{"run": "run"}]}], "claims": []}
    holds.hold_pythons(told)
    block["since"] = "3.12"
    told["blocks"] = [block | {"proofs": [{"run": "run"}]}]
    with pytest.raises(holds.RefusedError, match=r"a.md:1: it isn't proven on Python 3\.12\. Run"):
        holds.hold_pythons(told)


def test_an_output_needs_what_its_program_does(tmp_path: Path) -> None:
    program = tmp_path / "a.py"
    program.write_text('# /// script\n# requires-python = ">=3.13"\n# ///\n')
    for name in ("a.py", "a.out", "a.fails.out"):
        assert newer.of_file(tmp_path / name) == (3, 13)
    program.write_text("print(1)\n")
    assert newer.of_file(tmp_path / "a.out") is None
    (tmp_path / "b.sh").write_text('# requires-python = ">=3.13"\n')
    assert newer.of_file(tmp_path / "b.sh") is None
    assert not newer.missing(None) and not newer.missing((3, 11)) and newer.missing((3, 99))
