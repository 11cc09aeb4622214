"""What stands in sentences: inline code and versions."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.engine.pages import DOCS, ROOT, RefusedError
from tests.prove import prose

PAGES = [pytest.param(page, id=str(page.relative_to(DOCS))) for page in prose.pages()]
README = pytest.param(ROOT / "README.md", id="README.md")


@pytest.mark.parametrize("page", PAGES)
def test_inline_code_is_known(page: Path) -> None:
    prose.hold_code(page)


@pytest.mark.parametrize("page", [*PAGES, README])
def test_versions_are_those_of_the_data_file(page: Path, pytestconfig: pytest.Config) -> None:
    if pytestconfig.option.update_examples:
        prose.update_versions()
    prose.hold_versions(page)


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
