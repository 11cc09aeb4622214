"""Each option of the site and of the tools has its reason, so that none changes unseen."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.engine.pages import ROOT, RefusedError

REASONS = Path(__file__).with_name("configuration.toml")
CURE = f"Undo it, or say why in tests/prove/{REASONS.name}"
TOLD_ELSEWHERE = re.compile(
    r"(?:nav|plugins\.redirects|site_name|site_description|tool\.pytest\.markers)\b.*"
)
NO_TEXT = re.compile(r"true|false|null|~|yes|no|on|off|[\d.]+")  # but if it stands in quotes
Options = list[tuple[str, int]]


def options_of_yaml(node: Any, path: str = "") -> Iterator[tuple[str, int]]:
    """Return each option below a node as `path = value`, and its line."""
    if node.tag.startswith("!"):
        path += f" = {node.tag}"
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from options_of_yaml(value, f"{path}.{key.value}".strip("."))
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            several = isinstance(item, yaml.MappingNode) and len(item.value) > 1
            yield from options_of_yaml(item, f"{path}.{number}" if several else path)
    else:
        value = node.value
        if node.style and NO_TEXT.fullmatch(value):
            value = f"'{value}'"
        yield f"{path}{' ' if ' = ' in path else ' = '}{value}", node.start_mark.line + 1


def options_of_toml(text: str, table: Any, path: str) -> Iterator[tuple[str, int]]:
    """Return each option of a table as `path = value`, and the line of its key."""
    for key, value in table.items():
        name = f"{path}.{key}"
        if isinstance(value, dict):
            yield from options_of_toml(text, value, name)
        elif isinstance(value, list) and all(isinstance(item, dict) for item in value):
            for item in value:
                yield from options_of_toml(text, item, name)
        else:
            start = max(text.find(f"[{path}]"), 0)
            at = re.compile(rf'^"?{re.escape(key)}"? *=', re.MULTILINE).search(text, start)
            line = text.count("\n", 0, at.start()) + 1 if at else 1
            for each in value if isinstance(value, list) else [value]:
                yield f"{name} = {each if isinstance(each, str) else json.dumps(each)}", line


def options(name: str, text: str) -> Options:
    """Return the options of a file, each with its line."""
    if name.endswith(".yml"):
        told = options_of_yaml(yaml.compose(text, Loader=yaml.SafeLoader))
    else:
        told = options_of_toml(text, tomllib.loads(text)["tool"], "tool")
    return [(option, line) for option, line in told if not TOLD_ELSEWHERE.fullmatch(option)]


def hold(name: str, text: str) -> None:
    """Refuse options that the record doesn't know, and reasons whose option is gone."""
    kept = tomllib.loads(REASONS.read_text())[name]
    reasons = {option: why["because"] for why in kept for option in why["options"]}
    found = options(name, text)
    set_now = dict(found)
    gone = [option for option in reasons if option not in set_now]
    refused = [
        RefusedError(
            ROOT / name, near(option, found), f"{option!r} is gone: {reasons[option]}", CURE
        )
        for option in gone
    ]
    refused += [
        RefusedError(ROOT / name, line, f"nothing says why {option!r} is set", CURE)
        for option, line in found
        if option not in reasons
    ]
    if refused:
        raise RefusedError.of(refused)


def near(option: str, found: Options) -> int:
    """Return the line of the options beside one that is gone."""
    path = option.partition(" = ")[0]
    while path:
        for other, line in found:
            if other.startswith(path):
                return line
        path = path.rpartition(".")[0]
    return 1


@pytest.mark.parametrize("name", ["mkdocs.yml", "pyproject.toml"])
def test_each_option_has_its_reason(name: str) -> None:
    hold(name, (ROOT / name).read_text())


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("mkdocs.yml", "permalink: true", "permalink: 'maybe'", "link to a heading"),
        ("mkdocs.yml", "permalink: true", "permalink: 'true'", "link to a heading"),
        ("mkdocs.yml", "    - content.code.copy\n", "", "one click"),
        (
            "mkdocs.yml",
            "    - toc.follow\n",
            "    - toc.follow\n    - toc.integrate\n",
            "toc.integrate",
        ),
        ("mkdocs.yml", "repo_url: !ENV", "repo_url:", "needs no edit"),
        ("pyproject.toml", '"ASYNC", ', "", "asynchronous"),
        ("pyproject.toml", "strict = true", "strict = false", "typed"),
        (
            "pyproject.toml",
            "[tool.mypy]",
            "[tool.mypy]\nwarn_unreachable = false",
            "nothing says why",
        ),
    ],
)  # fmt: skip  one row for each case
def test_a_changed_option_is_refused(name: str, old: str, new: str, told: str) -> None:
    text = (ROOT / name).read_text()
    assert text.count(old) == 1
    where = text.count("\n", 0, text.index(old)) + 1
    with pytest.raises(RefusedError, match=rf"{name}:\d+: .*{told}.*\. Undo it, or say") as raised:
        hold(name, text.replace(old, new))
    lines = [int(number) for number in re.findall(rf"{re.escape(name)}:(\d+)", str(raised.value))]
    assert min(abs(line - where) for line in lines) <= 12
