"""The bad contributions that stand in a page: fences and sentences."""

from tests.refuse.edits import (
    BOUNDED,
    LINK,
    ONE,
    PAGE,
    SHOWN,
    SITE,
    Break,
    append,
    bad,
    both,
    edit,
    fence,
    inline,
    instruct,
    only,
)

EMPTY = "# --8<-- [start:empty]\n# --8<-- [end:empty]\n"
OPEN = "# --8<-- [start:open]\nprint(1)\n"

FENCES = [
    bad("missing file", fence("nowhere.py"), "there is no file"),
    bad("missing section", fence(f"{SHOWN}:nowhere", SHOWN), "no section nowhere"),
    bad(
        "empty section", fence(f"{SHOWN}:empty", SHOWN), "py:empty is empty", append(BOUNDED, EMPTY)
    ),
    bad(
        "open section",
        fence(f"{SHOWN}:open", SHOWN),
        "no section open with one start and one end",
        append(BOUNDED, OPEN),
    ),
    bad("empty file", fence("void.py"), "is empty", append("snippets/void.py", "\n")),
    bad("inline fence", inline(), "labelled 'python'"),
    bad("inline fence with a title", '```python title="x.py"\nprint(1)\n```', "something else"),
    bad("unlabelled fence", "```\nprint(1)\n```", "labelled ''"),
    bad("wrong label", fence(SHOWN).replace("python", "sh"), "sh is no label"),
    bad("wrong title", fence(SHOWN, "x.py"), "the title names x.py but"),
    bad("in a tab", inline(f'=== "{LINK}"', "    "), "labelled 'python'"),
    bad("in an admonition", inline("!!! note", "    "), "labelled 'python'"),
    bad("in a list", inline(f"{LINK}:\n\n- <!-- an item -->", "    "), "labelled 'python'"),
    bad("in four backticks", inline(mark="````"), "labelled 'python'"),
    bad("in tildes", inline(mark="~~~"), "labelled 'python'"),
    bad("trailing space", fence(SHOWN).replace('"\n```', '" \n```'), "something else"),
    bad(
        "unknown inline code",
        "Call `asyncio.timeuot`.",
        "`asyncio.timeuot` is no text",
        instruct("Call asyncio.timeuot."),
    ),
    bad("wrong version", "Ruff 0.1.0 knows.", "Ruff 0.1.0 is not the version"),
    Break(
        "indented code",
        append(PAGE, "\nAs code:\n\n    print(1)\n"),
        PAGE,
        r"block concurrency/timeouts:\d+.*the site shows",
        SITE,
        recorded=True,
    ),
    Break(
        "a variable that the page doesn't name",
        both(
            edit(BOUNDED, "import asyncio\n", "import asyncio\nimport os\n"),
            append(BOUNDED, '    os.environ.get("QUEUE_URL")\n'),
        ),
        PAGE,
        "it needs QUEUE_URL, which its page doesn't name",
        only("bounded.py"),
        block=ONE,
    ),
]
