"""The bad contributions to pages that show the service, and what must be said of them."""

from collections.abc import Callable
from pathlib import Path

from tests.refuse.edits import HOME, Break, append, bad, both, edit, fence

Breaking = Callable[[Path], object]
ERRORS, TOKENS, RELAY = (
    f"service/src/accounts/{name}.py" for name in ("api/errors", "tokens", "relay")
)
FIELDS = "service/src/accounts/api/schemas.py"
PATCH = "snippets/design/errors/unanswered.patch"
TEST = "tests/prove/design/test_errors.py"
TWIN = (f"{TEST}::test_an_unknown_user_gets_an_answer[design/errors/unanswered.patch]",)
START, END = "# --8<-- [start:{}]\n", "# --8<-- [end:{}]\n"
ANSWERS = END.format("answers")
GONE = '    UserNotFoundError: (404, "User not found", {}),\n'
SPARE = f'{START}def spare() -> None:\n    """Fail."""\n    raise KeyError\n\n\n{END}'.format(
    "spare", "spare"
)
MAIN = 'if __name__ == "__main__":\n'
SURVIVAL = "no passing test runs it; what tests/survival starts, .*coverage can't see"


def shows(name: str, path: str, section: str, where: str, says: str, *more: Breaking) -> Break:
    """Return a break that shows a section of the service on the proof page."""
    text = f"\n## Check\n\n{fence(f'{path}:{section}', path)}\n"
    return Break(name, both(append(HOME, text), *more), where, says, (HOME,), recorded=True)


SECTIONS = [
    bad(
        "section whose mark is gone",
        fence(f"{ERRORS}:answers", ERRORS),
        "no section answers with one start and one end",
        edit(f"snippets/{ERRORS}", ANSWERS, ""),
    ),
    bad(
        "section whose marks changed places",
        fence(f"{ERRORS}:answers", ERRORS),
        "no section answers with one start and one end",
        edit(f"snippets/{ERRORS}", ANSWERS, START.format("answers")),
        edit(f"snippets/{ERRORS}", START.format("answers"), ANSWERS),
    ),
    shows(
        "section that no test runs",
        TOKENS,
        "spare",
        f"snippets/{TOKENS}",
        "no passing test runs it",
        append(f"snippets/{TOKENS}", f"\n\n{SPARE}"),
    ),
    shows(
        "section that only processes run",
        RELAY,
        "main",
        f"snippets/{RELAY}",
        SURVIVAL,
        edit(f"snippets/{RELAY}", MAIN, START.format("main") + MAIN),
        append(f"snippets/{RELAY}", END.format("main")),
    ),
    shows(
        "section that runs on import only",
        FIELDS,
        "fields",
        f"snippets/{FIELDS}",
        "it runs on import only, and no test is said to need it",
    ),
    shows(
        "section that the types refuse",
        TOKENS,
        "verify",
        f"snippets/{TOKENS}",
        "mypy ",
        append(f"snippets/{TOKENS}", '\n\nLENGTH: int = "32"\n'),
    ),
    Break(
        "section whose test fails",
        edit(f"snippets/{ERRORS}", "__mro__ if", "__mro__[:1] if"),
        "snippets/service/tests/test_middleware.py",
        "test_a_kind_of_a_known_error_is_answered_as_that fails: ",
        ("docs/design/errors.md",),
        recorded=True,
    ),
    Break(
        "patch that no longer applies",
        edit(f"snippets/{ERRORS}", '404, "User', '410, "User'),
        PATCH,
        "it no longer applies: patch failed: src/accounts/api/errors.py:",
        TWIN,
    ),
    Break(
        "twin of the service that heals",
        both(
            edit(PATCH, ",3 +24,2", ",3 +24,3"),
            edit(PATCH, f"-{GONE}", f"-{GONE}+{GONE.replace('{}', 'dict()')}"),
        ),
        TEST,
        'unanswered.patch is shown as a "don\'t" and no longer fails',
        TWIN,
    ),
    Break(
        "twin of the service that fails elsewhere",
        edit(TEST, r"\(500, ", r"\(503, "),
        TEST,
        "unanswered.patch fails elsewhere than declared",
        TWIN,
    ),
    Break(
        "twin of the service that doesn't begin",
        both(
            edit(PATCH, ",3 +24,2", ",3 +24,3"),
            edit(PATCH, f"-{GONE}", f"-{GONE}+    Nobody: (404, '', {{}}),\n"),
        ),
        PATCH,
        "does not begin: ImportError",
        TWIN,
    ),
    Break(
        "test of the service that isn't there",
        edit(TEST, "not_found[1]", "not_found[0]"),
        TEST,
        "does not begin: pytest finds no such test",
        (f"{TEST}::test_an_unknown_user_gets_an_answer[None]",),
    ),
]
