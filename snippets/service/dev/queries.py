"""Find what a query asks for in vain: `python -m dev.queries deploy/watch.yml`.

Prometheus takes a name that nobody exposes without a word: the query finds nothing.
"""

import difflib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml
from prometheus_client.metrics import MetricWrapperBase

from accounts import metrics
from accounts.metrics import Backlog

OF_PROMETHEUS = {"up", "scrape_duration_seconds", "scrape_samples_scraped"}
OF_TARGETS = {"job", "instance", "track"}
SUFFIXES = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
WORDS = {"and", "or", "unless", "bool", "offset", "inf", "nan"}
GROUP = r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)"


# --8<-- [start:names]
def exposed() -> tuple[set[str], set[str]]:
    """Return the names that server and workers expose, and those of their labels."""
    ours = [one for one in vars(metrics).values() if isinstance(one, MetricWrapperBase)]
    families = [family for one in ours for family in one.describe()]
    families += Backlog(0, 0, 0).collect()
    names = {
        family.name + suffix
        for family in families
        for suffix in SUFFIXES.get(family.type, [""])
    }
    return names, {label for one in ours for label in one._labelnames}


def asked(query: str) -> tuple[set[str], set[str]]:
    """Return the names of metrics that a query asks for, and those of labels."""
    bare = re.sub(r'"[^"]*"|\[[^]]*\]|#.*', "", query)
    groups, braces = re.findall(GROUP, bare), re.findall(r"\{([^}]*)\}", bare)
    labels = set(re.findall(r"\w+", " ".join([*groups, *braces])))
    for other in (GROUP, r"\{[^}]*\}", r"\b\w+\s*\(", r"\b\d\w*"):
        bare = re.sub(other, "", bare)
    return set(re.findall(r"[A-Za-z_:][\w:]*", bare)) - WORDS, labels


# --8<-- [end:names]


# --8<-- [start:findings]
def findings(file: Path) -> Iterator[str]:
    """Give a sentence for each name in a file of rules that finds nothing."""
    text = file.read_text()
    rules = [
        rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]
    ]
    names, labels = exposed()
    names |= OF_PROMETHEUS | {rule["record"] for rule in rules if "record" in rule}
    for rule in rules:
        metrics_asked, labels_asked = asked(rule["expr"])
        for name in sorted(metrics_asked - names):
            yield told(text, file, name, "metric", names)
        for name in sorted(labels_asked - labels - OF_TARGETS - {"le"}):
            yield told(text, file, name, "label", labels | OF_TARGETS)


def told(text: str, file: Path, name: str, kind: str, known: set[str]) -> str:
    """Say where a name stands, what is wrong with it, and what may be meant."""
    lines = enumerate(text.splitlines(), start=1)
    line = next(
        n for n, told in lines if re.search(rf"(?<![\w:]){name}(?![\w:])", told)
    )
    meant = difflib.get_close_matches(name, known, 1) or sorted(known)
    why = f"nobody exposes the {kind} {name}, so the query finds nothing"
    return f"{file}:{line}: {why}; name {' or '.join(meant)}"


# --8<-- [end:findings]


def main() -> None:
    """Name what is asked for in vain, and end with status 1 if there is any."""
    found = [line for name in sys.argv[1:] for line in findings(Path(name))]
    print("\n".join(found) or "Each name is exposed.")
    sys.exit(int(bool(found)))


if __name__ == "__main__":
    main()
