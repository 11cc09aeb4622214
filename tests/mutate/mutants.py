"""Make the mutants of a source: in each, one thing is changed and all else stands as it was.

- An `await` is dropped.
- A comparison is flipped, `<` to `>=`; a sum becomes a difference, a product a quotient, and back.
- `and` becomes `or`, and back; `not` is dropped, or put before a condition.
- A number n becomes n + 1 and 0, a truth the other, `None` becomes 0, a string begins with an X.
- A keyword argument of a call is left out.
- A statement is deleted; one that stands alone does nothing instead.
- A `with` is deleted and its body kept; each of several contexts is left out.

Docstrings, comments and annotations do nothing, so they stay. So do imports: ruff reports each that
is missing or needless. Lines keep their numbers, for by those the findings are declared.
"""

import ast
import itertools
import re
import textwrap
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

FLIPS = {"==": "!=", "<": ">=", ">": "<=", "is": "is not", "in": "not in", "and": "or"}
FLIPS |= {"+": "-", "*": "/"}
FLIPS |= {new: old for old, new in FLIPS.items()}
OPERATOR = re.compile(rb"is not|not in|\b(?:is|in|and|or)\b|[<>=!]=|[-+*/<>]")
ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div)
CONDITIONS = (ast.Name, ast.Attribute, ast.Call, ast.Await, ast.Subscript)
KEPT = (ast.Import, ast.ImportFrom, ast.Pass)
GONE, IDLE = "# gone", "_ = None"  # ruff has more to say of `pass`
Span = tuple[int, int]


class Edit(NamedTuple):
    """A change of a source: from where to where, what stands there instead, and what goes."""

    start: int
    end: int
    new: str
    old: str = ""


@dataclass(frozen=True)
class Mutant:
    """A snippet with one change: its path, the line and text where it begins, and the change."""

    path: str
    line: int
    text: str
    change: str
    source: str

    def __str__(self) -> str:
        return f"snippets/{self.path}:{self.line}: {self.text}: {self.change}"


def mutants(path: str, source: str) -> list[Mutant]:
    """Return the mutants of a snippet that compile and are another program."""
    made: dict[str, Mutant] = {}
    raw, tree = source.encode(), ast.parse(source)
    for edit in Source(raw).edits(tree):
        mutated = replaced(raw, edit)
        try:
            with warnings.catch_warnings(action="ignore"):
                compile(mutated, path, "exec", dont_inherit=True)
                same = ast.dump(ast.parse(mutated)) == ast.dump(tree)
        except SyntaxError:
            continue
        if not same:
            line = raw.count(b"\n", 0, edit.start)
            old = edit.old or raw[edit.start : edit.end].decode()
            change = f"{brief(old)} -> {brief('' if edit.old else edit.new)}"
            text = source.split("\n")[line].strip()
            made.setdefault(mutated, Mutant(path, line + 1, text, change, mutated))
    return list(made.values())


def brief(text: str) -> str:
    """Return a text as one short line, without the commas around it."""
    return textwrap.shorten(text.strip(" ,\n"), 60, placeholder=" ...") or "nothing"


def replaced(raw: bytes, edit: Edit) -> str:
    """Return a source with a text in place of another, over as many lines."""
    before = raw[: edit.start].decode()
    lost = raw.count(b"\n", edit.start, edit.end) - edit.new.count("\n")
    if not edit.new and (lost or raw.startswith(b"\n", edit.end)):
        before = before.rstrip(" ")
    return before + edit.new + "\n" * lost + raw[edit.end :].decode()


def silent(node: object) -> bool:
    """Tell whether a node is a docstring, or another constant that stands alone."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


class Source:
    """A source in bytes, as `ast` counts, and what can be changed in it."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.starts = [0, *itertools.accumulate(map(len, raw.splitlines(keepends=True)))]

    def span(self, node: ast.expr | ast.stmt | ast.keyword) -> Span:
        """Return where a node begins and ends."""
        assert node.end_lineno is not None and node.end_col_offset is not None
        start = self.starts[node.lineno - 1] + node.col_offset
        return start, self.starts[node.end_lineno - 1] + node.end_col_offset

    def after(self, start: int, pattern: bytes) -> int:
        """Return where a pattern ends that begins at a place, or that place."""
        found = re.compile(pattern).match(self.raw, start)
        return found.end() if found else start

    def edits(self, node: ast.AST) -> Iterator[Edit]:
        """Return all changes of a node and of what is below it."""
        yield from self.edits_of(node)
        if isinstance(node, ast.JoinedStr):
            return  # before 3.12 what stands in an f-string has no true place
        for name, value in ast.iter_fields(node):
            children = value if isinstance(value, list) else [value]
            if name in ("annotation", "returns"):
                continue
            for child in children:
                if isinstance(child, ast.stmt):
                    alone = len(children) == 1 and not isinstance(node, ast.Module)
                    yield from self.deletion(child, alone, isinstance(node, ast.ClassDef))
                if isinstance(child, ast.AST) and not silent(child):
                    yield from self.edits(child)

    def edits_of(self, node: ast.AST) -> Iterator[Edit]:
        """Return the changes of a node itself."""
        match node:
            case ast.Await():
                start, _ = self.span(node)
                yield Edit(start, self.after(start, rb"await\s+"), "")
            case ast.UnaryOp(op=ast.Not()):
                start, _ = self.span(node)
                yield Edit(start, self.after(start, rb"not\s+"), "")
            case ast.Compare(left=left, comparators=others):
                yield from map(self.flip, [left, *others], others)
            case ast.BoolOp(values=values):
                yield from map(self.flip, values, values[1:])
            case ast.BinOp(left=left, right=right) | ast.AugAssign(target=left, value=right):
                if isinstance(node.op, ARITHMETIC):
                    yield self.flip(left, right)
            case ast.If() | ast.While() | ast.IfExp() | ast.Assert():
                yield from self.negations([node.test])
            case ast.comprehension(ifs=tests):
                yield from self.negations(tests)
            case ast.Constant() | ast.JoinedStr():
                yield from self.constants(node)
            case ast.Call(args=args, keywords=keywords):
                named = [self.span(word) for word in keywords]
                spans = sorted([*named, *(self.span(value) for value in args)])
                yield from (self.without(spans, spans.index(span)) for span in named)
            case ast.With() | ast.AsyncWith():
                yield from self.unwrapped(node)

    def flip(self, left: ast.expr, right: ast.expr) -> Edit:
        """Change the operator between two operands."""
        found = OPERATOR.search(self.raw, self.span(left)[1], self.span(right)[0])
        assert found, ast.dump(left)
        return Edit(*found.span(), FLIPS[found[0].decode()])

    def negations(self, tests: list[ast.expr]) -> Iterator[Edit]:
        """Negate the conditions that hold no operator of their own."""
        for start, end in [self.span(test) for test in tests if isinstance(test, CONDITIONS)]:
            yield Edit(start, end, f"not {self.raw[start:end].decode()}")

    def constants(self, node: ast.Constant | ast.JoinedStr) -> Iterator[Edit]:
        """Change a constant."""
        start, end = self.span(node)
        match getattr(node, "value", ""):
            case bool(value):
                yield Edit(start, end, str(not value))
            case None:
                yield Edit(start, end, "0")
            case int(value) | float(value):
                yield from (Edit(start, end, repr(new)) for new in (value + 1, 0) if new != value)
            case str() | bytes():
                quote = self.after(start, rb"""\w*(?:\"""|'''|"|')""")
                text = self.raw[start:quote] + b"X" + self.raw[quote:end]
                yield Edit(start, end, text.decode())

    def without(self, spans: list[Span], place: int) -> Edit:
        """Leave out one of several things between commas."""
        start, end = spans[place]
        if place:
            return Edit(spans[place - 1][1], end, "")
        return Edit(start, spans[1][0] if len(spans) > 1 else self.after(end, rb"\s*,"), "")

    def deletion(self, stmt: ast.stmt, alone: bool, in_class: bool) -> Iterator[Edit]:
        """Delete a statement that does something, and the comment behind it."""
        bare = isinstance(stmt, ast.AnnAssign) and not stmt.value and not in_class
        if not (bare or silent(stmt) or isinstance(stmt, KEPT)):
            start, end = self.span(stmt)
            for decorator in getattr(stmt, "decorator_list", [])[:1]:
                start = self.starts[decorator.lineno - 1] + stmt.col_offset
            idle = alone and not self.raw.startswith(b"elif", start)
            yield Edit(start, self.after(end, rb" *#[^\n]*"), IDLE if idle else GONE, "statement")

    def unwrapped(self, node: ast.With | ast.AsyncWith) -> Iterator[Edit]:
        """Leave out all contexts and keep the body, then each of several."""
        first, width = node.body[0].lineno - 1, node.body[0].col_offset - node.col_offset
        (start, end), inner = self.span(node), self.starts[first]
        texts = [text for text in ast.walk(node) if isinstance(text, ast.Constant | ast.JoinedStr)]
        fixed = {n for text in texts for n in range(text.lineno, text.end_lineno or 0)}
        lines = enumerate(self.raw[inner:end].decode().splitlines(keepends=True), start=first)
        body = [line if n in fixed else re.sub(f"^ {{{width}}}", "", line) for n, line in lines]
        yield Edit(start, end, GONE + "\n" * (first - node.lineno + 1) + "".join(body), "wrapper")
        contexts = [(item.context_expr, item.optional_vars) for item in node.items]
        spans = [(self.span(call)[0], self.span(name or call)[1]) for call, name in contexts]
        if len(spans) > 1:
            yield from (self.without(spans, place) for place in range(len(spans)))
