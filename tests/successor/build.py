"""Build the site by ProperDocs and MaterialX, by what mkdocs.yml says and nothing else.

No second configuration is kept: two options of the one there is are changed as it is read.
"""

import os
import subprocess
import sys
from pathlib import Path

import yaml

from tests.engine.pages import ROOT
from tests.publish.holds import RefusedError

THEME = "materialx"
HOME = ROOT / ".venv/successor"
SEARCH = "search"


def derived(text: str) -> str:
    """Return the configuration for the second generator, made from that of the first.

    The theme has another name, and its search has no option `separator`.
    """
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    child(child(node, "theme"), "name").value = THEME
    plugins = child(node, "plugins")
    values = [each.value for each in plugins.value]  # the name, or a mapping from it to options
    names = [each if isinstance(each, str) else each[0][0].value for each in values]
    if SEARCH not in names:
        raise RefusedError(f"mkdocs.yml has no plugin {SEARCH}. Mend {Path(__file__).name}")
    plugins.value[names.index(SEARCH)] = yaml.ScalarNode("tag:yaml.org,2002:str", SEARCH)
    return yaml.serialize(node, Dumper=yaml.SafeDumper)


def child(node: yaml.Node | None, name: str) -> yaml.Node:
    """Return the value of a key; refuse a configuration without it."""
    for key, value in node.value if node else []:
        if key.value == name:
            found: yaml.Node = value
            return found
    raise RefusedError(f"mkdocs.yml has no {name}. Mend {Path(__file__).name}")


def build(target: Path) -> None:
    """Build the site strictly into a folder."""
    program = HOME / "bin/properdocs"
    if not program.exists():
        raise RefusedError("the second generator isn't installed. Run `make successor`")
    text = derived((ROOT / "mkdocs.yml").read_text())
    run([program, "build", "--strict", "--config-file", "-", "--site-dir", target], text)


def build_first(target: Path) -> None:
    """Build the site strictly by the generator that the project stays on."""
    program = Path(sys.executable).with_name("mkdocs")
    run([program, "build", "--strict", "--site-dir", target], "")


def run(command: list[str | Path], text: str) -> None:
    """Run a generator with a text as its input; raise `RefusedError` with its last words."""
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, input=text, capture_output=True, text=True
    )
    if done.returncode:
        told = [line for line in done.stderr.splitlines() if line.startswith(("WARN", "ERR"))]
        last = (told or done.stderr.strip().splitlines() or ["it said nothing"])[0]
        name = Path(command[0]).name
        raise RefusedError(f"{name} doesn't build the site: {last.removesuffix('.')}")
