"""Bind each sentence of a page to what holds it.

A test names the sentences that it holds, `@pytest.mark.holds("...")`. The test file of the page
lists the others: INSTRUCTIONS tell the reader what to do, JUDGEMENTS say what we prefer, and SHOWN
names for a sentence the line of output, in its section, that shows it.
"""

import ast
import difflib
import functools
import re
import subprocess
import tomllib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from tests.engine.pages import DOCS, ROOT, SNIPPETS, RefusedError, test_of
from tests.prove import meaning, prose
from tests.prove.sentences import LINK, Sentence, plain, sentences

LISTS = {"INSTRUCTIONS": "instruction", "JUDGEMENTS": "judgement", "SHOWN": "shown"}
QUESTION = re.compile(r"(?:How|What|Where|When|Why|Which|Who)\b|\S+$")
JUDGED = re.compile(r"\b(?:we|our|us)\b", re.IGNORECASE)
CLAUSE = re.compile(r"(?:^|[,;:] |\b(?:and|then|or|but) )(?:(?:then|also|first|please) )?([\w']+)")
WORDS = tomllib.loads((SNIPPETS / "data/sentences.toml").read_text())
CODE_HOSTS = {"github.com", "gitlab.com", "codeberg.org", "bitbucket.org"}
CONDITION = re.compile(
    r"(?:After|Before|For|If|In|On|To|Whatever|When|Where|While)\b.*?, (?:then )?", re.DOTALL
)
ACCOUNT = DOCS / "corrections.md"  # its rows quote other pages, as `account` writes them
PREFERS = re.compile(r"\bwe (?:call|prefer|recommend|think|would)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Declared:
    """A sentence in a test file: how it is held, where it stands, by which function."""

    kind: str
    text: str
    node: ast.expr
    function: str = ""
    output: str = ""


def declared(file: Path) -> list[Declared]:
    """Return the sentences that a test file declares, in order."""
    return [*declared_in(file, file.read_text())] if file.exists() else []


@functools.cache
def declared_in(file: Path, source: str) -> list[Declared]:
    """Return the sentences that the source of a test file declares: each of its tests asks."""
    found: list[Declared] = []
    tree = ast.parse(source)
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in LISTS:
                found += listed(file, LISTS[name], value)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                for call in [node for node in ast.walk(statement) if isinstance(node, ast.Call)]:
                    if isinstance(call.func, ast.Attribute) and call.func.attr == "holds":
                        found += [one(file, "held", node, statement.name) for node in call.args]
            case _:
                pass
    return found


def listed(file: Path, kind: str, value: ast.expr) -> list[Declared]:
    """Return the sentences of a list, or of a mapping to outputs."""
    if isinstance(value, ast.Dict):
        pairs = zip(value.keys, value.values, strict=True)
        return [
            one(file, kind, key, output=str(ast.literal_eval(text))) for key, text in pairs if key
        ]
    assert isinstance(value, ast.List | ast.Tuple | ast.Set), ast.unparse(value)
    return [one(file, kind, node) for node in value.elts]


def one(file: Path, kind: str, node: ast.expr, function: str = "", output: str = "") -> Declared:
    """Return a sentence that a test file declares, or refuse what is no literal."""
    if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        reason = f"a sentence is declared as {ast.unparse(node)}"
        raise RefusedError(file, node.lineno, reason, "Write it out, word for word")
    return Declared(kind, plain(node.value), node, function, output)


def nearest(text: str, others: list[str]) -> str | None:
    """Return which of some sentences is most like another, if any is like it."""
    found = difflib.get_close_matches(text, others, n=1, cutoff=0.6)
    return found[0] if found else None


def page_of(file: Path) -> Path | None:
    """Return the page of a test file."""
    if not file.is_relative_to(ROOT / "tests/prove"):
        return None
    folder = DOCS / file.parent.relative_to(ROOT / "tests/prove")
    every = [*sorted(folder.glob("*.md")), ROOT / "README.md"]
    return next((page for page in every if ROOT / test_of(page) == file), None)


def stale(file: Path, function: str = "") -> list[RefusedError]:
    """Return the refusals of what a test, or a list, declares and the page doesn't say."""
    page, found = page_of(file), []
    said = sentences(page) if page else []
    texts = [sentence.text for sentence in said]
    where = page.relative_to(ROOT) if page else f"the page of {file.name}"
    for claim in [claim for claim in declared(file) if claim.function == function]:
        if claim.text not in texts:
            like = nearest(claim.text, texts)
            at = next((f"line {s.line}: {like!r}" for s in said if s.text == like), "nowhere")
            reason = f"{where} does not say {claim.text!r}; the nearest stands on {at}"
            cure = "Mend the page, or let `make update` carry the new wording over"
            if like and page and not meaning.same(claim.text, like, codes(page)):
                cure = "Mend the page; if it is right, let the test show it, and write it here"
            found.append(RefusedError(file, claim.node.lineno, reason, cure))
    return found


def codes(page: Path) -> set[str]:
    """Return the words of the inline code of a page."""
    found = [code for one in sentences(page) for _, code in prose.CODE.findall(one.markdown)]
    return {word for code in found for word in code.split()}


def moves(page: Path) -> dict[str, str]:
    """Return the sentences that are declared and not said, each with what is said instead."""
    declares = [claim.text for claim in declared(ROOT / test_of(page))]
    said = [sentence.text for sentence in sentences(page)]
    free, found = [text for text in said if text not in declares], dict[str, str]()
    for text in dict.fromkeys(declares):
        if text not in said and (like := nearest(text, free)):
            free.remove(like)
            found[text] = like
    return found


def carry(page: Path) -> list[str]:
    """Write the page's new wording into its test file, where no more than that was edited.

    Return the sentences that were carried over.
    """
    file = ROOT / test_of(page)
    moved = {old: new for old, new in moves(page).items() if meaning.same(old, new, codes(page))}
    edits = [(claim.node, moved[claim.text]) for claim in declared(file) if claim.text in moved]
    lines = file.read_text().splitlines(keepends=True) if edits else []
    for node, text in sorted(edits, key=lambda edit: -edit[0].lineno):
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        before = lines[first].encode()[: node.col_offset].decode()
        after = lines[last].encode()[node.end_col_offset :].decode()
        lines[first : last + 1] = [f"{before}{literal(text)}{after}"]
    if edits:
        file.write_text("".join(lines))
        subprocess.run(["ruff", "format", "--quiet", file], cwd=ROOT, check=True)
    return [*moved.values()]


def enlist(page: Path) -> None:
    """List what begins with a verb, or says what we prefer, in the page's test file."""
    file = ROOT / test_of(page)
    if not file.exists():
        return
    claims, said = declared(file), [one for one in sentences(page) if not of_itself(one)]
    left = moves(page)  # they say something else now, so `carry` left them
    texts = [
        *dict.fromkeys(sentence.text for sentence in said if sentence.text not in left.values())
    ]
    for name, begins in {"INSTRUCTIONS": instructs, "JUDGEMENTS": judges}.items():
        kind = LISTS[name]
        here = {claim.text for claim in claims if claim.kind == kind}
        elsewhere = {claim.text for claim in claims if claim.kind != kind}
        found = [t for t in texts if t in here or (begins(t) and t not in elsewhere)]
        found += [claim.text for claim in claims if claim.kind == kind and claim.text in left]
        if found != [claim.text for claim in claims if claim.kind == kind]:
            rewrite(file, name, found)


def instructs(text: str) -> bool:
    """Tell whether a sentence begins with a verb, also after a condition."""
    bare = CONDITION.sub("", text, count=1) if CONDITION.match(text) else text
    return re.split(r"[^\w']", bare.lower())[0] in WORDS["verbs"]


def judges(text: str) -> bool:
    """Tell whether a sentence says what we prefer."""
    return bool(PREFERS.search(text))


def rewrite(file: Path, name: str, texts: list[str]) -> None:
    """Write a list of sentences into a test file, above its first function where it is new."""
    lines, tree = file.read_text().splitlines(keepends=True), ast.parse(file.read_text())
    first, last = len(lines), len(lines)
    for node in reversed(tree.body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = last = min(n.lineno for n in [node, *node.decorator_list]) - 1
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            first, last = node.lineno - 1, node.end_lineno or node.lineno
    lines[first:last] = [f"{name} = [\n{''.join(f'{literal(text)},' for text in texts)}\n]\n"]
    file.write_text("".join(lines))
    subprocess.run(["ruff", "format", "--quiet", file], cwd=ROOT, check=True)


def literal(text: str) -> str:
    """Return a text as a string of Python."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return repr(text) if '"' in text and "'" not in text else f'"{escaped}"'


def of_itself(sentence: Sentence) -> str | None:
    """Return the kind of a sentence that needs no entry: a label, a link, or one with a source."""
    if sentence.kind == "label" or (sentence.kind == "heading" and QUESTION.match(sentence.text)):
        return "label"
    if sentence.page == ACCOUNT and sentence.kind == "row":
        return "pointer"
    links = [link for link in LINK.finditer(sentence.markdown) if not link[1]]
    links = [link for link in links if plain(link[2]) in sentence.text]
    if any(urlsplit(link[3]).hostname in documents() for link in links):
        return "sourced"
    rest = sentence.text
    for link in links:
        rest = rest.replace(plain(link[2]), "")
    return "pointer" if links and not re.search(r"\w", rest) else None


@functools.cache
def documents() -> set[str]:
    """Return the hosts of the documentation of what is installed here, and of what it rests on."""
    hosts = set(WORDS["documentation"])
    for package in metadata.distributions():
        for told in package.metadata.get_all("Project-URL") or []:
            label, _, address = told.partition(", ")
            if re.match(r"doc|home", label, re.IGNORECASE):
                hosts.add(urlsplit(address.strip()).hostname or "")
    return hosts - CODE_HOSTS - {""}


def refusal(sentence: Sentence, reason: str, cure: str) -> RefusedError:
    """Return the refusal of a sentence."""
    return RefusedError(sentence.page, sentence.line, f"{reason}: {sentence.text!r}", cure)


def misplaced(sentence: Sentence, claim: Declared) -> RefusedError | None:
    """Return the refusal of a sentence that is in no list of its kind, or None."""
    file = test_of(sentence.page)
    first = {word.lower() for word in CLAUSE.findall(sentence.text)}
    if claim.kind == "instruction" and not first & set(WORDS["verbs"]):
        cure = f"Bind it to a test, or begin it with a verb; {file} lists it among INSTRUCTIONS"
        return refusal(sentence, "this is no instruction", cure)
    if claim.kind == "judgement" and not JUDGED.search(sentence.text):
        cure = f"Bind it to a test, or say that we judge; {file} lists it among JUDGEMENTS"
        return refusal(sentence, "this is no judgement", cure)
    if claim.kind == "shown":
        blocks = [b for b in prose.blocks(sentence.page) if plain(b.heading) == sentence.heading]
        if claim.output not in {line for block in blocks for line in prose.output_lines(block)}:
            cure = f"Mend the output that {file} names for it, or the block"
            return refusal(sentence, f"no block of its section prints {claim.output!r}", cure)
    return None


def page_id(page: Path) -> str:
    """Return how the ledger names a page."""
    return str(page.relative_to(DOCS if page.is_relative_to(DOCS) else ROOT))
