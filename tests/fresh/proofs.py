"""Run proofs in the copy, and say what failed: which page, block or sentence, and why."""

import ast
import os
import re
import subprocess
import xml.etree.ElementTree as Xml
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.fresh.clone import shell
from tests.sessions import STARTER

SESSION = "the whole session"
PLACE = re.compile(r"^(?:E +)?([\w./-]+\.\w+):(\d+):", re.MULTILINE)
WARNS = re.compile(r"\b(?:Pending)?(?:Deprecation|Future)\w*Warning\b|\bRemovedIn\w+Warning\b")
REPORT = ("--quiet", "--continue-on-collection-errors", "--override-ini=junit_family=xunit1")
LENGTH = 1500  # characters of a message: texts of issues have a limit


@dataclass(frozen=True)
class Failure:
    """A test or a block that failed."""

    item: str  # as pytest names it
    unit: str  # what runs again to see it fail: its page, or the test alone
    place: str  # file and line of the page, block or test
    message: str
    updating: bool = True  # it fails while outputs are rewritten, too

    @property
    def warns(self) -> bool:
        """Tell whether it is a warning of a break to come, which is an error in the tests."""
        return bool(WARNS.search(self.message))


def run(copy: Path, arguments: Iterable[str]) -> list[Failure]:
    """Run pytest in the copy's environment; return what failed."""
    report, said = copy.parent / "report.xml", copy.parent / "said.txt"
    report.unlink(missing_ok=True)
    command = [f"{copy}/.venv/bin/python", "-m", "pytest", *REPORT, f"--junitxml={report}"]
    alive, ours = os.pipe()  # with it ends what runs, however this process ends
    starter = {STARTER: f"{os.getpid()} {alive}"}
    with said.open("w") as output:
        status = subprocess.run(
            [*command, *arguments],
            cwd=copy,
            env={**shell(copy), **starter},
            stdout=output,
            stderr=output,
            pass_fds=[alive],
        ).returncode
    os.close(alive)
    os.close(ours)
    failures = read(copy, report) if report.exists() else []
    if status and not failures:
        last = tidy(copy, "\n".join(said.read_text().strip().splitlines()[-15:]))
        failures = [Failure(SESSION, SESSION, first_place(copy, last), last)]
    return failures


def read(copy: Path, report: Path) -> list[Failure]:
    """Return what failed in a report of pytest, each item once."""
    found: dict[str, Failure] = {}
    for case in Xml.parse(report).iter("testcase"):  # noqa: S314  pytest wrote it
        for told in [*case.iter("failure"), *case.iter("error")]:
            item, file = named(copy, case)
            text = told.text or ""
            message = told.get("message") or text
            if message.startswith(("collection failure", "failed on setup", "failed on teardown")):
                message = "\n".join(re.findall(r"^E +(.*)", text, re.MULTILINE)) or text or message
            page = page_of(copy, item, file)
            unit = page or (item if file else SESSION)
            place = sentence(copy, item, page) or first_place(copy, text) or file
            found.setdefault(item, Failure(item, unit, place, tidy(copy, message)))
    return list(found.values())


def named(copy: Path, case: Xml.Element) -> tuple[str, str]:
    """Return an item's name as pytest takes it, and its file; a module that failed is its file."""
    name, file = case.get("name", ""), case.get("file", "")
    module = file.removesuffix(".py").replace("/", ".")
    if file and name in (module, file):
        return file, file
    if file:
        inside = case.get("classname", "").removeprefix(module).strip(".")
        return "::".join([file, *([inside] if inside and file.endswith(".py") else []), name]), file
    for path in (f"{name.replace('.', '/')}.py", name):
        if (copy / path).is_file():
            return path, path
    return name, ""


def page_of(copy: Path, item: str, file: str) -> str:
    """Return the page that an item proves, as a path of the copy, or nothing."""
    if file.endswith(".md"):
        return file
    inside = re.search(r"\[([\w./-]+\.md)", item)
    names = [inside[1]] if inside else []
    if tested := re.fullmatch(r"tests/prove/(.*?)test_(\w+)\.py", file):
        names.append(f"{tested[1]}{tested[2]}.md")
    found = (f"docs/{name}" for name in names if (copy / "docs" / name).is_file())
    return next(found, "")


def sentence(copy: Path, item: str, page: str) -> str:
    """Return the place of the first sentence that a test holds on its page, or nothing."""
    file, _, name = item.partition("::")
    if not page or not file.endswith(".py") or not name:
        return ""
    wanted = name.rpartition("::")[2].partition("[")[0]
    lines = (copy / page).read_text().splitlines()
    for node in ast.walk(ast.parse((copy / file).read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == wanted:
            for mark in node.decorator_list:
                called = isinstance(mark, ast.Call) and ast.unparse(mark.func).endswith(".holds")
                told = mark.args if called and isinstance(mark, ast.Call) else []
                held = [one.value for one in told if isinstance(one, ast.Constant)]
                for number, line in enumerate(lines, start=1):
                    if any(str(one) in line for one in held):
                        return f"{page}:{number}"
    return ""


def first_place(copy: Path, text: str) -> str:
    """Return the last file and line of the project that a traceback names, or nothing."""
    text = text.replace(f"{copy}/", "")
    found = [f"{file}:{line}" for file, line in PLACE.findall(text) if (copy / file).is_file()]
    return next((place for place in reversed(found) if not place.startswith(".venv/")), "")


def tidy(copy: Path, text: str) -> str:
    """Return a message without the copy's place, and not longer than a reader reads."""
    text = text.replace(f"{copy}/", "").replace(str(copy.parent), "")
    text = text.strip()
    if len(text) > LENGTH:  # the reason stands at the beginning, or at the end
        text = f"{text[: LENGTH // 3]}\n[...]\n{text[-2 * LENGTH // 3 :]}"
    return text
