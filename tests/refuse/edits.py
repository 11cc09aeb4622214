"""Ways to break a copy of the project."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PAGE = "docs/concurrency/timeouts.md"
TEST = "tests/prove/concurrency/test_timeouts.py"
NEW, ITS_TEST = "docs/concurrency/order.md", "tests/prove/concurrency/test_order.py"
HOME, HOME_TEST = "docs/proof.md", "tests/prove/test_proof.py"
LINK = "[Proof](proof.md)"  # what stands beside a fence, and needs no test
FOLDER = "snippets/concurrency/timeouts"
ONE, TWO = "concurrency/timeouts:1", "concurrency/timeouts:2"
ELSEWHERE = "blocked.py fails elsewhere than declared"
SHOWN = "concurrency/timeouts/bounded.py"
ENDS = (
    "tests/prove/concurrency/test_clients.py"
    "::test_a_call_ends_at_its_limit[concurrency/clients/app.py]"
)
FANOUT, CLIENTS = "snippets/concurrency/fanout", "snippets/concurrency/clients"
BOUNDED, BLOCKED = f"{FOLDER}/bounded.py", f"{FOLDER}/blocked.py"
UNCONCERNED = "test_the_old_name_is_the_built_in_one"

ONE_PAGE = (PAGE,)
WHOLE = "tests/prove/test_whole.py"
BUILT = ("tests/check/test_oracle.py::test_mkdocs_warns_of_nothing",)
SITE = ("tests/check/test_oracle.py::test_each_block_of_the_site_is_in_the_ledger_and_none_else",)


@dataclass(frozen=True)
class Break:
    """A way to break a copy, the file that the refusal names, and what it says."""

    name: str
    breaking: Callable[[Path], object]
    where: str = ""
    says: str = ""
    arguments: tuple[str, ...] = ONE_PAGE
    limit: int = 300  # seconds: a hang, not a slow machine
    block: str | None = None
    reports: int = 1
    recorded: bool = False


def only(*names: str, page: str = PAGE) -> tuple[str, ...]:
    """Return what selects of a page the items that a break concerns, and a test that it doesn't.

    A page of which no test is collected is refused for that.
    """
    return (page, "-k", " or ".join([*names, UNCONCERNED]))


def whole(name: str) -> tuple[str, ...]:
    """Return what selects a test that holds for all pages together."""
    return (WHOLE, "-k", name)


def edit(path: str, old: str, new: str) -> Callable[[Path], object]:
    """Return a break that replaces a text that stands in a file."""

    def breaking(copy: Path) -> None:
        file = copy / path
        text = file.read_text()
        assert old in text, f"{path} holds no {old!r}"
        file.write_text(text.replace(old, new, 1))

    return breaking


def append(path: str, text: str) -> Callable[[Path], object]:
    """Return a break that adds text to the end of a file, or makes the file."""

    def breaking(copy: Path) -> None:
        file = copy / path
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a") as stream:
            stream.write(text)

    return breaking


def both(*breakings: Callable[[Path], object]) -> Callable[[Path], object]:
    """Return a break made of several."""

    def breaking(copy: Path) -> None:
        for each in breakings:
            each(copy)

    return breaking


def fence(path: str, title: str | None = None) -> str:
    """Return a fence that includes a path."""
    return f'```python title="{title or path}"\n--8<-- "{path}"\n```'


def bad(name: str, text: str, says: str, *more: Callable[[Path], object]) -> Break:
    """Return a break that adds a bad fence, or a bad sentence, to the proof page."""
    return Break(name, both(append(HOME, f"\n{text}\n"), *more), HOME, says, (HOME,))


def inline(opening: str = f"{LINK}:", indent: str = "", mark: str = "```") -> str:
    """Return a fence with code in it, below an opening line."""
    lines = [f"{mark}python", "print(1)", mark]
    return f"{opening}\n\n" + "\n".join(f"{indent}{line}" for line in lines)


def instruct(text: str) -> Callable[[Path], object]:
    """Return an edit by which a sentence of that page counts as an instruction."""
    return edit(HOME_TEST, "INSTRUCTIONS = [", f'INSTRUCTIONS = [\n    "{text}",')


def show(name: str, source: str) -> Callable[[Path], object]:
    """Return a break that shows one more snippet, before the page's first heading."""
    path = f"concurrency/timeouts/{name}"
    return both(
        append(f"snippets/{path}", source),
        edit(PAGE, "\n## Do\n", f"\n{fence(path)}\n\n## Do\n"),
    )


def forge(copy: Path) -> None:
    """Call a block proven that failed, by hand."""
    ledger = copy / "docs/ledger.json"
    content = json.loads(ledger.read_text())
    content["blocks"][0]["proofs"][0]["seconds"] += 1
    ledger.write_text(json.dumps(content))


def swap(one: str, other: str) -> Callable[[Path], object]:
    """Return a break that swaps two files."""

    def breaking(copy: Path) -> None:
        texts = (copy / one).read_text(), (copy / other).read_text()
        (copy / other).write_text(texts[0])
        (copy / one).write_text(texts[1])

    return breaking
