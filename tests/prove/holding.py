"""Judge whether tests hold the sentences that they name, and record what they assert.

A sentence can be edited together with the name that a test gives it. So its figures and its code
must come from that test or from the blocks beside it, and `checks.toml`, which `make update`
writes, keeps what each such test asserts: a weakened test shows in a diff. It keeps digests of the
blocks too.
"""

import ast
import copy
import functools
import hashlib
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.engine.pages import ROOT, Block, RefusedError, test_of
from tests.engine.proof import Session
from tests.prove import agreed, claims, matches, prose, says
from tests.prove.claims import Declared, refusal
from tests.prove.sentences import Sentence, plain, sentences
from tests.pythons import newer

ASSERTS = {"fail", "raises", "warns", "RaisesExc", "RaisesGroup", "record_property", "check"}
ASSERTS |= {"service", "failing"}  # a test of the service, which its mark names, and how it fails
NUMBERS = ["zero", "one", "two", *prose.WORDS.split("|")[:10]]
Items = dict[str, list[pytest.Item]]


class Spelled(ast.NodeTransformer):
    """Writes each f-string in one way: Pythons differ in the quotes and brackets within."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.Name:
        """Return it as a name, which is written as it is."""
        return ast.Name(f"f'{self.inner(node)}'")

    def inner(self, node: ast.JoinedStr) -> str:
        """Return what stands between its quotes."""
        found = ""
        for part in node.values:
            match part:
                case ast.Constant():
                    found += repr(part.value)[1:-1].replace("{", "{{").replace("}", "}}")
                case ast.FormattedValue():
                    kind = f"!{chr(part.conversion)}" if part.conversion > 0 else ""
                    spec = part.format_spec
                    form = f":{self.inner(spec)}" if isinstance(spec, ast.JoinedStr) else ""
                    found += f"{{{ast.unparse(self.visit(part.value))}{kind}{form}}}"
        return found


def written(node: ast.AST) -> str:
    """Return a node as text that is the same on each Python."""
    return ast.unparse(Spelled().visit(copy.deepcopy(node)))


@functools.cache
def functions(file: Path) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    """Return the functions of a file by name."""
    defined = ast.FunctionDef | ast.AsyncFunctionDef
    return {n.name: n for n in ast.parse(file.read_text()).body if isinstance(n, defined)}


@functools.cache
def constants(file: Path) -> dict[str, str]:
    """Return the constants of a file, but for its sentences, as they are written."""
    found = {}
    for node in ast.parse(file.read_text()).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)]) if name not in claims.LISTS:
                found[name] = written(node)
            case _:
                pass
    return found


def reached(file: Path, name: str) -> list[ast.AST]:
    """Return a function's statements and decorators, and those of the functions that it names."""
    known, names, found = functions(file), [name], list[ast.AST]()
    for each in names:
        decorators = [
            node
            for node in known[each].decorator_list
            if not (isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".holds"))
        ]
        nodes: list[ast.AST] = [*decorators, *known[each].body]
        found += nodes
        named = [n.id for node in nodes for n in ast.walk(node) if isinstance(n, ast.Name)]
        names += [n for n in dict.fromkeys(named) if n in known and n not in names]
    return found


def source(file: Path, name: str) -> str:
    """Return the text of a test with what it names of its file, without the sentences."""
    nodes = reached(file, name)
    names = {n.id for node in nodes for n in ast.walk(node) if isinstance(n, ast.Name)}
    told = [text for constant, text in constants(file).items() if constant in names]
    return "\n".join([*map(written, nodes), *told])


def checks(file: Path, name: str) -> list[str]:
    """Return what a test asserts, each as it is written, its cases, and the constants in them."""
    found, names = list[str](), set[str]()
    for node in (inner for outer in reached(file, name) for inner in ast.walk(outer)):
        if (told := asserted(node)) or (told := cases(node)):
            found.append(written(told))
            names |= {n.id for n in ast.walk(told) if isinstance(n, ast.Name)}
    return found + [text for constant, text in constants(file).items() if constant in names]


def asserted(node: ast.AST) -> ast.AST | None:
    """Return what a statement, or a call, asserts."""
    if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ASSERTS:
        return node
    return node.test if isinstance(node, ast.Assert) else None


def cases(node: ast.AST) -> ast.AST | None:
    """Return what a test is parametrized with, or what a loop that asserts goes through."""
    match node:
        case ast.Call(func=ast.Attribute(attr="parametrize"), args=[_, told, *_]):
            return told
        case ast.For(iter=told, body=body):
            inner = (each for statement in body for each in ast.walk(statement))
            given = any(isinstance(each, ast.Constant) for each in ast.walk(told))
            return told if given and any(map(asserted, inner)) else None
        case _:
            return None


def recorded(file: Path) -> dict[str, list[str]]:
    """Return what the tests of a file asserted when their sentences were last agreed."""
    store = file.with_name("checks.toml")
    kept = tomllib.loads(store.read_text()) if store.exists() else {}
    found: dict[str, list[str]] = kept.get(file.stem, {})
    return {name: told for name, told in found.items() if name not in agreed.KEYS}


def current(file: Path) -> dict[str, list[str]]:
    """Return what the tests of a file assert."""
    known = functions(file) if file.exists() else {}
    names = [name for name in known if name.startswith("test_")]
    return {name: checks(file, name) for name in sorted(names)}


def record(file: Path, agree: dict[str, list[str]] | None = None) -> None:
    """Write what the tests of a file assert beside them, if there is such a file.

    With it goes what was agreed of its page; what is there stays, where nothing is given.
    """
    if not file.exists():
        return
    store = file.with_name("checks.toml")
    kept: dict[str, Any] = tomllib.loads(store.read_text()) if store.exists() else {}
    old = {key: told for key, told in kept.get(file.stem, {}).items() if key in agreed.KEYS}
    kept = {name: told for name, told in kept.items() if file.with_name(f"{name}.py").exists()}
    kept[file.stem] = (old if agree is None else agree) | current(file)
    text = "# What each test asserts. `make update` writes it.\n"
    for name, tests in sorted(kept.items()):
        text += f"\n[{name}]\n" if tests else ""
        for test, asserted in tests.items():
            rows = "".join(f"    {basic(each)},\n" for each in asserted)
            text += f"{test} = [\n{rows}]\n"
    store.write_text(text)


def basic(text: str) -> str:
    """Return a text as a string of TOML."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def weakened(file: Path) -> list[RefusedError]:
    """Return the refusals of tests that no longer assert what their sentences rest on."""
    then, tests, found = recorded(file), current(file), list[RefusedError]()
    if tests:
        found += matches.hold(file)
    for name in sorted(then.keys() - tests.keys()):
        cure = "Restore it, or free its sentences; `make update` records that it is gone"
        found.append(RefusedError(file, 1, f"{name} is there no more", cure))
    holds = {claim.function for claim in claims.declared(file)}
    for name, now in tests.items():
        if name not in then and name not in holds:
            continue  # no sentence rests on what is new
        gone = [each for each in then.get(name, []) if each not in now]
        new = [each for each in now if each not in then.get(name, [])]
        if gone or new:
            what = f"no longer asserts {gone[0]!r}" if gone else f"asserts {new[0]!r} now"
            cure = "Read the sentences that it holds again; `make update` records what it asserts"
            line = functions(file)[name].lineno
            found.append(RefusedError(file, line, f"{name} {what}", cure))
    return found


def named(code: str) -> str:
    """Return a pattern for what a test calls inline code: `a.b()` is b, an option is its name."""
    if re.fullmatch(r"[\w.]+(?:\(\))?", code):
        return rf"(?<!\w){re.escape(code.removesuffix('()').rpartition('.')[2])}(?!\w)"
    if option := re.fullmatch(r"(\w+)=\w+", code):
        return rf"(?<!\w){option[1]}\b"
    return rf"(?<!\w){re.escape(code)}(?!\w)"


class Judge:
    """Judges the sentences of a page by what a session ran."""

    def __init__(self, page: Path, items: list[pytest.Item], session: Session) -> None:
        self.page, self.session, self.file = page, session, ROOT / test_of(page)
        self.items: Items = {}
        for item in items:
            self.items.setdefault(getattr(item, "originalname", item.name), []).append(item)
        self.claims: dict[str, list[Declared]] = {}
        for claim in claims.declared(self.file):
            self.claims.setdefault(claim.text, []).append(claim)
        self.figures, self.codes = set[str](), set[str]()  # those that a test gives

    def judge(self, *, red: bool) -> list[RefusedError]:
        """Return the refusals, and tell the session what holds each sentence.

        Where a block of the page is red, tests that use it say nothing.
        """
        found = []
        for number, sentence in enumerate(sentences(self.page), start=1):
            told = self.claims.get(sentence.text, [])
            tests = [claim for claim in told if claim.kind == "held"]
            kind = "held" if tests else claims.of_itself(sentence)
            kind = kind or (told[0].kind if told else None)
            since = newer.of_all(item for one in tests for item in self.items.get(one.function, []))
            if kind is None:
                cure = f"Name it in {test_of(self.page)}: a test holds it, or it is an instruction"
                refused = [refusal(sentence, "nothing holds this sentence", cure)]
            elif tests and (red or self.failed(tests)):
                refused = []  # it is red already
            elif since and f"Python {newer.named(since)}" not in sentence.text:
                cure = "Name that Python in it"
                reason = f"its test needs Python {newer.named(since)}, and it doesn't say so"
                refused = [refusal(sentence, reason, cure)]
            elif newer.missing(since):
                refused = []  # another Python proves it
            elif tests:
                refused = self.hold(sentence, {claim.function for claim in tests})
            else:
                refused = [r for claim in told if (r := claims.misplaced(sentence, claim))]
            found += refused
            if kind == "judgement":  # what we recommend, nobody measures
                self.figures |= set(prose.figures_in(sentence.markdown, sentence.text))
            names = sorted({claim.function for claim in tests})
            passed = not (refused or (tests and (red or self.failed(tests))))
            self.enter(number, sentence, kind, names, passed=passed)
            if since:
                self.defer(number, since, passed=passed)
        return found

    def enter(
        self, number: int, sentence: Sentence, kind: str | None, names: list[str], *, passed: bool
    ) -> None:
        """Tell the session of a sentence, as the ledger holds it."""
        identity = f"{claims.page_id(self.page).removesuffix('.md')}:s{number}"
        self.session.claims[identity] = {
            "id": identity,
            "page": claims.page_id(self.page),
            "line": sentence.line,
            "heading": sentence.heading,
            "sentence": sentence.text,
            "sha256": hashlib.sha256(sentence.text.encode()).hexdigest(),
            "kind": kind,
            "tests": [f"{test_of(self.page)}::{name}" for name in names],
            "checks": [check for name in names for check in checks(self.file, name)],
            "outcome": "passed" if passed and kind else "failed",
        }

    def defer(self, number: int, since: newer.Since, *, passed: bool) -> None:
        """Tell the session which Python a sentence needs; an older one doesn't prove it."""
        entry = self.session.claims[f"{claims.page_id(self.page).removesuffix('.md')}:s{number}"]
        entry["since"] = newer.named(since)
        if passed and newer.missing(since):
            entry["outcome"] = "skipped"

    def hold(self, sentence: Sentence, names: set[str]) -> list[RefusedError]:
        """Return what speaks against tests as those that hold a sentence."""
        for name in sorted(names):
            line = functions(self.file)[name].lineno
            if not [item for item in self.items.get(name, []) if self.ran(item)]:
                reason = f"{name} holds {sentence.text!r}, but it was skipped"
                return [RefusedError(self.file, line, reason, "Let it run, or free the sentence")]
            if not checks(self.file, name):
                reason = f"{name} holds {sentence.text!r}, but it asserts nothing"
                return [RefusedError(self.file, line, reason, "Assert what the sentence says")]
        blocks = [b for b in prose.blocks(self.page) if plain(b.heading) == sentence.heading]
        if blocks and not any(self.uses(item, blocks) for n in names for item in self.items[n]):
            shown = ", ".join(dict.fromkeys(block.path for block in blocks))
            reason = f"what holds it uses nothing that its section shows ({shown})"
            cure = f"Let {min(names)} use it, or move the sentence to another section"
            return [refusal(sentence, reason, cure)]
        return self.unsaid(sentence, sorted(names)) or self.hold_words(
            sentence, sorted(names), blocks
        )

    def hold_words(
        self, sentence: Sentence, names: list[str], blocks: list[Block]
    ) -> list[RefusedError]:
        """Return which figures and which code of a sentence its tests and blocks don't know."""
        told = [source(self.file, name) for name in names]
        items = [item for name in names for item in self.items[name]]
        given = {*says.given(items, "figure")}
        told += says.recorded(items)
        texts = "\n".join([*told, *(block.text for block in blocks)])
        where = f"{names[0]} and the blocks of its section"
        for figure in prose.figures_in(sentence.markdown, sentence.text):
            number = figure.split()[0].lower()
            digits = str(NUMBERS.index(number)) if number in NUMBERS else number.rstrip("%")
            if figure in given or re.search(rf"(?<![\w.]){re.escape(digits)}(?![\w.]*\d)", texts):
                self.figures.add(figure)
            else:
                cure = f'Measure it there: record_property("figure", ...) gives {figure!r}'
                return [refusal(sentence, f"{where} give no figure {figure!r}", cure)]
        for since in prose.SINCE.finditer(sentence.text):
            if f"({since[1]}, {since[2]})" not in texts:
                cure = "Compare sys.version_info there"
                return [refusal(sentence, f"{names[0]} knows no {since[0]}", cure)]
        every = texts + "\n".join(block.text for block in prose.blocks(self.page))
        for code in prose.codes_in(sentence.markdown, sentence.text):
            if not re.search(named(code), every) and not prose.stands(code, self.page):
                cure = "Show it in a block of the page, or use it in the test"
                return [refusal(sentence, f"{names[0]} knows no `{code}`", cure)]
            self.codes.add(code)
        return []

    def unsaid(self, sentence: Sentence, names: list[str]) -> list[RefusedError]:
        """Return the refusal of a sentence that lacks what the run of its tests gives."""
        for name in names:
            held = [t for t, told in self.claims.items() if name in {c.function for c in told}]
            if told := says.missed(says.recorded(self.items[name]), held).get(sentence.text):
                cure = f"Mend the sentence, or the words that {name} records of its run"
                return [refusal(sentence, f"the run says {told!r}, and this doesn't", cure)]
        return []

    def failed(self, tests: list[Declared]) -> bool:
        """Tell whether a test failed."""
        items = [item for claim in tests for item in self.items.get(claim.function, [])]
        return any(item.nodeid in self.session.failed for item in items)

    def ran(self, item: pytest.Item) -> bool:
        """Tell whether a test ran to its end, as it should."""
        return item.nodeid in self.session.passed

    def uses(self, item: pytest.Item, blocks: list[Block]) -> bool:
        """Tell whether a test ran lines of some blocks, or declares to prove them."""
        given = getattr(item, "callspec", None)
        paths = {block.path for block in blocks}
        paths |= {path for block in blocks for path in self.session.owners(block)}
        return any(
            item.nodeid in self.session.proving[path]
            or item.nodeid in self.session.lines[path]
            or (given and given.params.get("snippet") == path)
            for path in paths
        )
