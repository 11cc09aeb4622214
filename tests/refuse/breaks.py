"""The bad contributions, one for each gate: what is broken, and what must be said of it."""

from tests.prove.steps import all_but
from tests.refuse.edits import (
    BLOCKED,
    BOUNDED,
    BUILT,
    CLIENTS,
    ELSEWHERE,
    ENDS,
    FANOUT,
    FOLDER,
    ITS_TEST,
    NEW,
    ONE,
    PAGE,
    TEST,
    TWO,
    WHOLE,
    Break,
    append,
    both,
    edit,
    forge,
    only,
    show,
    swap,
    whole,
)
from tests.refuse.fences import FENCES

BLOCKING = "snippets/concurrency/blocking"
COUNTED = "snippets/database/sessions/counted.py"
STALE = "    if not asyncio:\n        print(1)\n        #> 1\n"
EXIT = "    raise SystemExit(3)\n"
SLEEP = '["sleep", "600"]{}'  # longer than any session
BOUND, BLOCK = only("bounded.py"), only("blocked.py")
LOOSE = (
    f"import subprocess\n\nsubprocess.Popen({SLEEP})  # noqa: S607  bad on purpose\n"
    'print("started")\n#> started\n'
)

BREAKS = [
    Break("nothing", lambda _: None, recorded=True),
    *FENCES,
    # What the snippet does
    Break(
        "changed output",
        edit(BOUNDED, "#> profile", "#> account"),
        BOUNDED,
        "the output changed: shown '#> account', written '#> profile'",
        BOUND,
        block=ONE,
    ),
    Break(
        "changed output of a script",
        edit(f"{FOLDER}/check.out", "All checks passed!", "All good!"),
        f"{FOLDER}/check.out",
        "the output changed",
        only("check.sh", "check.out"),
    ),
    Break("stale output", append(BOUNDED, STALE), BOUNDED, "no print that ran", BOUND),
    Break(
        "type error",
        edit(BOUNDED, "main() -> None", "main() -> int"),
        BOUNDED,
        "mypy return",
        BOUND,
    ),
    Break("lint error", append(BOUNDED, "    assert asyncio\n"), BOUNDED, "ruff S101", BOUND),
    Break(
        "layout", edit(BOUNDED, "limit=5", "limit = 5"), BOUNDED, "black writes", whole("laid_out")
    ),
    Break(
        "script that the linter refuses",
        edit(f"{FOLDER}/check.sh", "ruff check bounded.py", "ruff check $(echo bounded.py)"),
        f"{FOLDER}/check.sh",
        "shellcheck",
        whole("shellcheck"),
    ),
    Break(
        "healed don't",
        edit(BLOCKED, "    time.sleep(delay)", "    await asyncio.sleep(delay)"),
        TEST,
        'blocked.py is shown as a "don\'t" and no longer fails',
        BLOCK,
        block=TWO,
    ),
    Break(
        "don't that fails elsewhere",
        edit(BLOCKED, "    time.sleep(delay)", "    time.sleep(str(delay))"),
        TEST,
        ELSEWHERE,
        BLOCK,
        block=TWO,
    ),
    Break(
        "don't that fails on import",
        edit(BLOCKED, "import time\n", "import time\n\nraise RuntimeError\n"),
        TEST,
        ELSEWHERE,
        BLOCK,
        block=TWO,
    ),
    Break(
        "don't without its finding",
        edit(TEST, "ASYNC251", "ASYNC250"),
        BLOCKED,
        "ruff ASYNC251",
        BLOCK,
    ),
    Break(
        "don't that doesn't say how",
        edit(TEST, "strict=True", "strict=False"),
        TEST,
        "does not say how it fails",
        BLOCK,
    ),
    Break(
        "don't among the do",
        edit(PAGE, "## Don't", "## Or"),
        PAGE,
        "but it stands under 'Or'",
        BLOCK,
    ),
    Break(
        "do that fails",
        edit(BOUNDED, "async with asyncio.timeout(limit)", "async with asyncio.timeout(None)"),
        TEST,
        "bounded.py fails its test",
        BOUND,
        block=ONE,
    ),
    Break("script that fails", append(BOUNDED, EXIT), BOUNDED, "it fails: SystemExit: 3", BOUND),
    Break(
        "not on any page",
        append(f"{FOLDER}/spare.py", "print(1)\n#> 1\n"),
        f"{FOLDER}/spare.py",
        "no page shows this file",
        whole("is_shown"),
    ),
    Break(
        "not executed", show("spare.py", "LIMIT = 5\n"), PAGE, "no test executes", only("spare.py")
    ),
    Break(
        "line not executed",
        append(BOUNDED, "    if not asyncio:\n        raise SystemExit\n"),
        BOUNDED,
        "no passing test runs it",
        BOUND,
    ),
    Break(
        "invalid syntax",
        append(BOUNDED, "return return\n"),
        BOUNDED,
        "invalid syntax",
        BOUND,
        block=ONE,
    ),
    Break(
        "hang",
        append(BOUNDED, "    time.sleep(600)\n"),
        BOUNDED,
        "it did not end",
        only("(run and bounded.py)"),
        limit=3,
    ),
    Break(
        "hang in a thread",
        append(BOUNDED, "    asyncio.run(asyncio.to_thread(time.sleep, 600))\n"),
        BOUNDED,
        "it did not end",
        only("(run and bounded.py)"),
        limit=3,
    ),
    Break(
        "file left behind",
        show(
            "litter.py", 'from pathlib import Path\n\nprint(Path("litter").write_text("x"))\n#> 1\n'
        ),
        PAGE,
        "leaves behind: litter",
        only("litter.py"),
    ),
    Break(
        "file left in the project",
        show(
            "litter.py",
            "from pathlib import Path\n\n"
            'print(Path(__file__).with_suffix(".txt").write_text("x"))\n#> 1\n',
        ),
        f"{FOLDER}/litter.py",
        "writes in the project",
        only("litter.py"),
    ),
    Break(
        "connection left behind",
        edit(COUNTED, "    await engine.dispose()\n", ""),
        COUNTED,
        "it leaves 1 connection to the database",
        ("docs/database/sessions.md", "-k", "(run and counted.py) or older_guides"),
    ),
    Break(
        "process left behind",
        show("loose.py", LOOSE.format("")),
        PAGE,
        "leaves behind: a running process",
        only("loose.py"),
    ),
    Break(
        "process that hides",
        show("loose.py", LOOSE.format(", start_new_session=True")),
        PAGE,
        "leaves a process running: sleep 600",
        (*only("(run and loose.py)", "left_running"), WHOLE),
    ),
    # What the concurrency chapter claims
    Break(
        "await dropped",
        edit(BOUNDED, "await fetch_profile", "fetch_profile"),
        TEST,
        "bounded.py fails its test",
        BOUND,
        reports=2,  # the test fails, and Python says that a coroutine was never awaited
    ),
    Break(
        "literal changed",
        edit(BLOCKED, "delay=4 * limit", "delay=2 * limit"),
        BLOCKED,
        "the output changed: shown '#> took at least four times the limit: True'",
        BLOCK,
        block=TWO,
    ),
    Break(
        "timeout removed",
        edit(f"{CLIENTS}/app.py", "total=5", ""),
        "tests/prove/concurrency/test_clients.py",
        "app.py fails its test",
        (ENDS,),
    ),
    Break(
        "semaphore widened",
        edit(f"{FANOUT}/bounded.py", "Semaphore(10)", "Semaphore(12)"),
        "tests/prove/concurrency/test_fanout.py",
        "bounded.py fails its test",
        ("tests/prove/concurrency/test_fanout.py::test_ten_connections_are_in_use_at_most",),
    ),
    Break(
        "twins swapped",
        swap(BOUNDED, BLOCKED),
        TEST,
        'bounded.py fails its test|blocked.py is shown as a "don\'t" and no longer fails',
        only("is_free_at_the_limit"),
        reports=2,
    ),
    Break(
        "figure that no run gives",
        both(
            edit(PAGE, "took four times", "took five times"),
            edit(TEST, "took four times", "took five times"),
            edit(TEST, "took four times", "took five times"),  # two tests hold it
        ),
        PAGE,
        "give no figure 'five times'",
    ),
    Break(
        "picture with stale data",
        edit(f"{BLOCKING}/stall.json", '"awaited": [0.0, ', '"awaited": [0.0, 1.0, '),
        f"{BLOCKING}/stall.svg",
        "it isn't what stall.json draws",
        ("tests/prove/concurrency/test_blocking.py::test_the_picture_is_drawn_from_the_data",),
    ),
    Break(
        "data that no run gives",
        edit(f"{BLOCKING}/heartbeat.py", "NAP = 0.2 ", "NAP = 0.4 "),
        f"{BLOCKING}/stall.json",
        "the data is stale",
        ("tests/prove/concurrency/test_blocking.py::test_only_a_call_that_blocks_stalls_the_loop",),
    ),
    # What holds for the whole
    Break("page without its test", all_but(ITS_TEST), ITS_TEST, "nothing was collected", (NEW,)),
    Break(
        "page without its line",
        all_but("mkdocs.yml"),
        NEW,
        "does not lead to it",
        ("tests/prove/test_whole.py", "-k", "order.md"),
    ),
    Break(
        "rules emptied",
        lambda copy: (copy / FOLDER / "ruff.toml").write_text("line-length = 88\n"),
        TEST,
        "ruff.toml fails its test",
        (f"{TEST}::test_the_rules_refuse_a_driver_that_blocks_and_only_that",),
    ),
    Break("edited ledger", forge, "docs/ledger.json", "not as a session wrote it", recorded=True),
    Break(
        "escape without a reason",
        append(TEST, "X = 1  # {}: E501\n".format("noqa")),
        TEST,
        "noqa gives no reason",
        whole("escape"),
    ),
    Break(
        "sleep without a reason",
        append(TEST, "\n\nasync def nap() -> None:\n    await asyncio.sleep(1)\n"),
        TEST,
        "sleep gives no reason",
        whole("escape"),
    ),
    Break(
        "broken link",
        append(PAGE, "\n[There](nowhere.md)\n"),
        PAGE,
        "nowhere.md",
        BUILT,
        recorded=True,
    ),
    Break(
        "broken anchor",
        append(PAGE, "\n[There](../index.md#nowhere)\n"),
        PAGE,
        "nowhere",
        BUILT,
        recorded=True,
    ),
]
