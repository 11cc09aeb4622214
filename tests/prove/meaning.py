"""Tell whether an edit of a sentence is one of its wording or of what it says.

`make update` carries a wording over to what holds the sentence. What says something else must be
held anew, so the author writes it there: who drops a "not" meets the test that showed it.
"""

import re
import tomllib

from tests.engine.pages import SNIPPETS
from tests.prove import prose

WEIGHTY = tomllib.loads((SNIPPETS / "data/sentences.toml").read_text())["weighty"]
TOKEN = re.compile(r"[^\s|,;:!?\"]+|\|")
CODE = re.compile(r"\w[._=(]|[a-z][A-Z]|[A-Z]{2}|\d|^[B-HJ-Z]$")  # in what is more than a word
NOT = re.compile(r"\w*n't|not|no|nobody|nothing|none|never|neither|nor|cannot|hardly")
NUMBERS = {word: str(n) for n, word in enumerate(["one", "two", *prose.WORDS.split("|")[:10]], 1)}


def weights(text: str, codes: set[str]) -> list[str]:
    """Return the words of a sentence that make it true or false, in order.

    They are its figures, its code, what denies, and the words of the list `weighty`; each stands
    for its forms. `codes` are words that are code elsewhere on the page.
    """
    found = []
    for each in TOKEN.findall(text):
        word = each.strip(".()'").lower()
        stems = (stem for stem in WEIGHTY if re.fullmatch(f"{stem}(?:s|d|ed|es|ing)?", word))
        if NOT.fullmatch(word):
            found.append("not")
        elif word in NUMBERS:
            found.append(NUMBERS[word])
        elif each == "|" or each.strip(".") in codes or CODE.search(each.rstrip(".")):
            found.append(each.strip("."))
        elif stem := next(stems, None):
            found.append(stem)
    return found


def same(old: str, new: str, codes: set[str]) -> bool:
    """Tell whether two sentences say the same, as far as words can tell."""
    return weights(old, codes) == weights(new, codes)
