"""Find what no file of the project may hold, as a reviewer would: a secret, another's licence,
a picture without a text, an address that only its author reaches, what another page says already,
a dependency that nothing uses.
"""

import re
import subprocess
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from itertools import chain
from pathlib import Path
from urllib.parse import urlsplit

import yaml
from detect_secrets.plugins import (
    artifactory,
    aws,
    azure_storage_key,
    discord,
    github_token,
    gitlab_token,
    mailchimp,
    npm,
    openai,
    private_key,
    pypi_token,
    sendgrid,
    slack,
    square_oauth,
    stripe,
    telegram_token,
    twilio,
)
from detect_secrets.plugins.base import RegexBasedDetector
from packaging.requirements import Requirement

from tests.engine.pages import ROOT, RefusedError
from tests.prove.sentences import Sentence, prose_lines

# Secrets that have a form of their own. A password needs a guess, and examples are full of them.
KINDS: list[Callable[[], RegexBasedDetector]] = [
    artifactory.ArtifactoryDetector,
    aws.AWSKeyDetector,
    azure_storage_key.AzureStorageKeyDetector,
    discord.DiscordBotTokenDetector,
    github_token.GitHubTokenDetector,
    gitlab_token.GitLabTokenDetector,
    mailchimp.MailchimpDetector,
    npm.NpmDetector,
    openai.OpenAIDetector,
    private_key.PrivateKeyDetector,
    pypi_token.PypiTokenDetector,
    sendgrid.SendGridDetector,
    slack.SlackDetector,
    square_oauth.SquareOAuthDetector,
    stripe.StripeDetector,
    telegram_token.TelegramBotTokenDetector,
    twilio.TwilioKeyDetector,
]
FORMS = [kind() for kind in KINDS]
LICENSED = re.compile(
    r"copyright (?:\(c\)|\xa9|\d{4})|\xa9|SPDX-License-Identifier[:]|all\s+rights\s+reserved"
    r"|licensed (?:to .+ )?under the|GNU (?:Lesser |Affero )?General Public License",
    re.IGNORECASE,
)
OWN = {"LICENSE"}  # where the project's licence stands
BARE = re.compile(r"!\[\s*\]\(|<img(?![^>]*\salt=\"[^\"]+\")[^>]*>")
ADDRESS = re.compile(r"https?://[^\s<>\"'`)]+")
LOCAL = {"127.0.0.1", "localhost"}  # a server that its reader starts
PRIVATE = re.compile(
    r"(?:10|127|192\.168|172\.(?:1[6-9]|2\d|3[01]))\.[\d.]+|[^.]+"
    r"|.+\.(?:corp|home|internal|intranet|lan|local|localdomain|private)"
)
PINNED = re.compile(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
LONG = 9  # words of a sentence that says more than a label
NEEDS = re.compile(r"Install .+\.")  # what a block needs, which is made from data
LOCKS = {
    "requirements.txt",
    "requirements-dev.txt",
    "requirements-successor.txt",
}  # made, of hashes


def refuse(found: Iterable[RefusedError]) -> None:
    """Refuse all that was found."""
    if refusals := [*found]:
        raise RefusedError.of(refusals)


def tracked(root: Path = ROOT) -> list[Path]:
    """Return the files of the repository that are texts written by hand."""
    told = subprocess.check_output(["git", "ls-files", "-z"], cwd=root, text=True)
    files = [root / name for name in told.split("\0") if name]
    return [
        file
        for file in files
        if file.is_file()
        and not file.is_symlink()
        and file.suffix != ".png"
        and file.name not in LOCKS
    ]


def numbered(file: Path) -> Iterator[tuple[int, str]]:
    """Return the lines of a file, each with its number."""
    return enumerate(file.read_text().splitlines(), start=1)


def secrets(file: Path) -> Iterator[RefusedError]:
    """Refuse what has the form of a key or a token."""
    text = file.read_text()
    suspected = [form for form in FORMS if any(form.analyze_string(text))]
    for number, line in numbered(file) if suspected else ():
        for form in suspected:
            if any(form.analyze_string(line)):
                reason = f"this line holds what looks like a secret: {form.secret_type}"
                cure = "Take it out, also of the history, and revoke it where it is real"
                yield RefusedError(file, number, reason, cure)


def licensed(file: Path) -> Iterator[RefusedError]:
    """Refuse the header of a licence: what stands here is written for the project."""
    for number, line in numbered(file) if file.name not in OWN else ():
        if found := LICENSED.search(line):
            reason = f"{found[0]!r} puts this file under the terms of somebody else"
            yield RefusedError(file, number, reason, "Write your own, or take it from its package")


def unseen(page: Path) -> Iterator[RefusedError]:
    """Refuse a picture without an alternative text: who can't see it reads nothing."""
    for number, line in prose_lines(page):
        if found := BARE.search(line):
            reason = f"the picture {found[0]!r} has no alternative text"
            yield RefusedError(page, number, reason, "Say in it what the picture shows")


def private(page: Path) -> Iterator[RefusedError]:
    """Refuse an address that only some networks know."""
    for number, line in prose_lines(page):
        for address in ADDRESS.findall(re.sub(r"`[^`]+`", "", line)):
            host = urlsplit(address).hostname or ""
            if host not in LOCAL and PRIVATE.fullmatch(host):
                reason = f"readers can't reach {host}"
                yield RefusedError(page, number, reason, "Link to a public page, or drop it")


def repeated(sentences: Iterable[Sentence], titles: Iterable[str]) -> Iterator[RefusedError]:
    """Refuse a sentence that another page says already, but for titles and what blocks need."""
    first: dict[str, Sentence] = {}
    known = {*titles}
    for each in sentences:
        if len(each.text.split()) < LONG or each.text in known or NEEDS.fullmatch(each.text):
            continue
        other = first.setdefault(each.text, each)
        if other.page != each.page and each.kind in {"text", "row"}:
            reason = f"{other.page.name}:{other.line} says so already: {each.text!r}"
            yield RefusedError(each.page, each.line, reason, "Say it once, and link to it")


def names(package: str) -> set[str]:
    """Return the names by which a package is used: its own, its modules, its commands."""
    found = {package, package.removeprefix("types-")}
    try:
        told = metadata.distribution(package)
    except metadata.PackageNotFoundError:  # of an environment that isn't this one
        return found
    found |= {entry.name for entry in told.entry_points}
    return found | {
        file.parts[0].removesuffix(".py")
        for file in told.files or ()
        if file.suffix in {".py", ".so"} and not file.parts[0].startswith((".", "_"))
    }


def unused(project: Path, texts: Iterable[str]) -> Iterator[RefusedError]:
    """Refuse a dependency that nothing imports or names, and that no comment gives a reason."""
    groups = tomllib.loads(project.read_text())["dependency-groups"].values()
    wanted = {Requirement(each).name for each in chain(*groups) if isinstance(each, str)}
    words = {*chain.from_iterable(re.findall(r"[\w-]+(?:\.[\w-]+)*", text) for text in texts)}
    words |= {word.split(".")[0] for word in words}
    for number, line in numbered(project):
        named = re.match(r' +"([\w.-]+)', line)
        if named and named[1] in wanted and "#" not in line and not words & names(named[1]):
            reason = f"nothing imports or runs {named[1]}, and no comment says why it is here"
            yield RefusedError(project, number, reason, "Take it out, or write its reason after it")


def unpinned(workflow: Path) -> Iterator[RefusedError]:
    """Refuse an action that whoever moves its tag can change."""
    for number, line in numbered(workflow):
        if "uses:" in line and "uses: $/" not in line:  # what is of this commit needs no pin
            used = line.strip().removeprefix("- ")
            if not PINNED.fullmatch(used):
                reason = f"{used!r} is not pinned to a commit with its version beside it"
                cure = "Write the commit of its release, and `# v1.2.3` after it"
                yield RefusedError(workflow, number, reason, cure)


def righted(workflow: Path, writes: Mapping[str, Sequence[str]]) -> Iterator[RefusedError]:
    """Refuse rights that a job doesn't need; what some may write is given by their names."""
    text = workflow.read_text()
    content = yaml.safe_load(text)
    given = {"": content.get("permissions")}
    given |= {name: job.get("permissions") for name, job in content["jobs"].items()}
    for name, rights in given.items():
        wanted = dict.fromkeys(writes.get(name, []), "write") or {"contents": "read"}
        wanted = wanted if name else {}
        if rights != wanted:
            start = re.search(
                rf"^  {name}:" if name else "^(?:permissions|jobs):", text, re.MULTILINE
            )
            number = text[: start.start()].count("\n") + 1 if start else 1
            whose = f"the job {name}" if name else "the workflow"
            reason = f"{whose} has the rights {rights}, and needs {wanted}"
            yield RefusedError(workflow, number, reason, f"Write `permissions: {wanted}` there")
