"""The data that sentences are held against."""

import re
import tomllib

import pytest

from tests.engine.pages import ROOT, RefusedError
from tests.prove import prose


def test_versions_in_the_readme_are_those_of_the_data_file(pytestconfig: pytest.Config) -> None:
    if pytestconfig.option.update_examples:
        prose.update_versions()
    prose.hold_versions(ROOT / "README.md")


def test_the_data_file_holds_what_is_installed() -> None:
    data = tomllib.loads(prose.VERSIONS.read_text())
    for name, version in prose.installed().items():
        if data[name] != version:
            text = prose.VERSIONS.read_text().splitlines()
            line = next(n for n, row in enumerate(text, 1) if row.startswith(f"{name} ="))
            raise RefusedError(
                prose.VERSIONS,
                line,
                f"{name} is {version}, not {data[name]}",
                "Run `make update` and read the diff",
            )


def test_each_listed_command_has_its_test() -> None:
    for command, test in tomllib.loads(prose.COMMANDS.read_text()).items():
        file, name = test.split("::")
        defined = re.search(rf"^def {name}\(", (ROOT / file).read_text(), re.MULTILINE)
        assert defined, f"{prose.COMMANDS}: {command} names {test}, which is not there"
