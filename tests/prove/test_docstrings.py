"""The examples in docstrings, which the site's reference shows: run, and entered in the ledger."""

import ast
import hashlib
import re
from pathlib import Path

import pytest
from pytest_examples import CodeExample, EvalExample, find_examples

from tests.engine.pages import DOCS, SNIPPETS, RefusedError
from tests.engine.plugin import STATE
from tests.engine.proof import PASS
from tests.engine.run import LAYOUT
from tests.prove import prose

EXAMPLES = [
    pytest.param(
        page.relative_to(DOCS), line, number, example, id=f"{page.stem}-{example.start_line}"
    )
    for page in prose.pages()
    for line, file in prose.references(page)
    for number, example in enumerate(find_examples(str(file)), start=1)
]


def owner(example: CodeExample) -> str:
    """Return the name of the function or class whose docstring holds an example."""
    tree = ast.parse(example.path.read_text())
    named = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    found = [n for n in ast.walk(tree) if isinstance(n, named) and n.lineno < example.start_line]
    return max(found, key=lambda node: node.lineno).name


@pytest.mark.parametrize(("page", "line", "number", "example"), EXAMPLES)
def test_docstring_example(
    page: Path,
    line: int,
    number: int,
    example: CodeExample,
    eval_example: EvalExample,
    request: pytest.FixtureRequest,
) -> None:
    eval_example.config = LAYOUT
    path = str(example.path.resolve().relative_to(SNIPPETS))
    try:
        if eval_example.update_examples:
            eval_example.run_print_update(example)
        else:
            eval_example.run_print_check(example)
            eval_example.lint_ruff(example)
    except (Exception, pytest.fail.Exception) as error:
        reason = f"the example fails: {error}"
        raise RefusedError(example.path, example.start_line, reason, "Mend it") from None
    assert "#>" in example.source, "it prints nothing"
    text = re.sub(r"\n+$", "", example.source)
    session = request.config.stash[STATE]
    identity = f"{page.with_suffix('')}:{number}"
    session.entries[identity] = {
        "id": identity,
        "page": str(page),
        "line": line,
        "language": "python",
        "path": path,
        "section": owner(example),
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "kind": "do",
        "expects": PASS,
        "proofs": [
            {
                "outcome": "passed",
                "tests": [request.node.nodeid],
                "executable": [],
                "executed": [],
                "checks": ["output", "ruff", "run", "test"],
                "seconds": 0.0,
            }
        ],
    }
