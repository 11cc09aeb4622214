"""The examples in docstrings, which the site's reference shows: run, and entered in the ledger."""

import ast
from pathlib import Path

import pytest
from pytest_examples import CodeExample, EvalExample, find_examples

from tests.engine.pages import SNIPPETS, Block, RefusedError
from tests.engine.plugin import STATE
from tests.engine.run import LAYOUT
from tests.prove import prose

EXAMPLES = [
    pytest.param(page, line, number, example, id=f"{page.stem}-{example.start_line}")
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
    try:
        if eval_example.update_examples:
            eval_example.run_print_update(example)
        else:
            eval_example.run_print_check(example)
            eval_example.lint_ruff(example)
    except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001  it may raise anything
        reason = f"the example fails: {error}"
        raise RefusedError(example.path, example.start_line, reason, "Mend it") from None
    assert "#>" in example.source, "it prints nothing"
    session, text = request.config.stash[STATE], example.source.rstrip("\n")
    path = str(example.path.resolve().relative_to(SNIPPETS))
    block = Block(page, number, line, "", "python", path, owner(example), text, frozenset())
    entry = session.entries[block.id] = session.entry(
        block, {request.node.nodeid: set()}, set(), set()
    )
    entry["proofs"][0] |= {"outcome": "passed", "checks": ["output", "ruff", "run", "test"]}
