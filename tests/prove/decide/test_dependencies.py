"""What the page on dependencies claims."""

import ast
import http.server
import importlib.util
import os
import re
import subprocess
import sys
import sysconfig
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from sqlalchemy import make_url

from tests.engine import needs
from tests.engine.pages import DOCS, ROOT, SNIPPETS, RefusedError, parses
from tests.engine.plugin import STATE
from tests.engine.run import Run
from tests.parts import service
from tests.parts.wheels import wheel
from tests.prove import prose
from tests.watch import pins

FOLDER = "decide/dependencies"
CHECK = "uv pip check"
LIST = SNIPPETS / FOLDER / "pyproject.toml"
OWN = tomllib.loads((service.SERVICE / "pyproject.toml").read_text())["project"]
ENVIRONMENTS = {  # each made from a lock, and empty before
    ROOT / "requirements.txt": Path(sys.executable),
    service.SERVICE / "requirements-dev.txt": service.BIN / "python",
}


INSTRUCTIONS = [
    "List what your code imports, and lock it",
    "Declare each package that your code imports or starts, in the group that needs it, and lock all of them.",
    "If you don't know whether to declare a package that comes along anyway, declare it when you import it.",
    "Copy its form, and name what your own code imports.",
    "Leave the groups out of the image: only the first list is for production.",
    "Lock that list alone, then all of it:",
    "Write sqlalchemy[asyncio], with its extra: see Create the environment from the lock.",
    "Name the driver in the URL, as in postgresql+asyncpg.",
    "Don't: pin versions by hand",
    "Repeat them with python -m tests.watch.pins --check python3.13 in a clone of the playbook.",
    "Verify each install: see Check.",
    "Take new releases in a change of its own, with the option --upgrade.",
    "Install deptry, and let it compare the imports with the list, here in a new folder:",
    "Run deptry in the environment that has the packages, over the tests too.",
]


def declared(text: str) -> list[str]:
    """Return what the list declares, in all its groups, as it is written."""
    told = tomllib.loads(text)
    groups = [told["project"]["dependencies"], *told["dependency-groups"].values()]
    return [each for group in groups for each in group if isinstance(each, str)]


@cache
def imported() -> frozenset[str]:
    """Return what to install for the blocks of all chapters but this, which compares others."""
    pages = [page for page in prose.pages() if page.parent.name != "decide"]
    blocks = {block.file for page in pages for block in prose.blocks(page)}
    found = [needs.packages(file.read_text()) for file in blocks if parses(file)]
    return frozenset(name for names in found for name in names) - {"accounts"}


def hold(file: Path) -> None:
    """Refuse a list that lacks what a block imports, or what the service declares."""
    there = {
        Requirement(each).name: Requirement(each).extras for each in declared(file.read_text())
    }
    for wanted in sorted({*imported(), *OWN["dependencies"]}):
        need = Requirement(wanted)
        if not need.extras <= there.get(need.name, set()) or need.name not in there:
            line = file.read_text().splitlines().index("dependencies = [") + 1
            cure = f'Add "{wanted}" to it'
            raise RefusedError(file, line, f"nothing here declares {wanted}", cure)


@pytest.mark.holds(
    "The list has each package that a block of the other chapters imports, and each that the service declares.",
)
@pytest.mark.proves(f"{FOLDER}/pyproject.toml")
def test_the_list_is_complete() -> None:
    hold(LIST)
    assert {"aiohttp", "sqlalchemy[asyncio]", "uvicorn"} <= imported()
    assert len(OWN["dependencies"]) > 10


@pytest.mark.parametrize(
    ("old", "new", "lacks"),
    [
        ('    "aiohttp",\n', "", "aiohttp"),
        ('    "asyncpg", ', "    # ", "asyncpg"),
        ("sqlalchemy[asyncio]", "sqlalchemy", r"sqlalchemy\[asyncio\]"),
        ("celery[redis]", "celery", r"celery\[redis\]"),
        ('    "anyio",\n', "", "anyio"),
    ],
)
def test_a_package_that_is_dropped_is_missed(
    tmp_path: Path, old: str, new: str, lacks: str
) -> None:
    file = tmp_path / "pyproject.toml"
    assert LIST.read_text().count(old) == 1
    file.write_text(LIST.read_text().replace(old, new))
    with pytest.raises(RefusedError, match=rf"toml:5: nothing here declares {lacks}\. Add"):
        hold(file)


@pytest.mark.holds(
    "Declare names here, and leave the versions to the lock.",
)
@pytest.mark.proves(f"{FOLDER}/pyproject.toml")
def test_each_package_is_locked_with_hashes_and_installed() -> None:
    wanted, found = set(declared(LIST.read_text())), set[str]()
    for lock, python in ENVIRONMENTS.items():
        rows = re.findall(
            r"^([\w.-]+)==\S+(.*(?:\n    --hash=.*)+)", lock.read_text(), re.MULTILINE
        )
        assert all("--hash=sha256:" in hashes for _, hashes in rows)
        locked = {name for name, _ in rows}
        here = {each for each in wanted if Requirement(each).name in locked}
        command = ["uv", "pip", "install", "--offline", "--dry-run", f"--python={python}", *here]
        done = subprocess.run(command, capture_output=True, text=True)
        assert "Would make no changes" in done.stderr, done.stderr  # all there, with extras
        found |= here
    assert found == wanted


def test_each_module_that_a_block_imports_is_there() -> None:
    known, rooms = packages_distributions(), {"snippets", "tests", *sys.stdlib_module_names}
    for file in {block.file for page in prose.pages() for block in prose.blocks(page)}:
        here = {each.stem for each in file.parent.glob("*.py")} | rooms
        if parses(file) and not file.is_relative_to(service.SERVICE):
            for top in tops(file) - here:
                assert top in known, f"{file} imports {top}"
                assert importlib.util.find_spec(top), f"{file} imports {top}"


def tops(file: Path) -> set[str]:
    """Return the names of the packages that a file imports."""
    return {each.partition(".")[0] for each in needs.modules(ast.parse(file.read_text()))}


def test_each_module_that_the_service_imports_is_there() -> None:
    wanted = set[str]().union(*map(tops, service.SERVICE.glob("src/**/*.py")))
    code = "import sys, importlib.util as u; print([m for m in sys.argv[1:] if not u.find_spec(m)])"
    command = [str(service.BIN / "python"), "-c", code, *wanted]
    assert {"celery", "fastapi", "jwt", "sqlalchemy"} <= wanted
    done = subprocess.run(command, cwd=service.SERVICE, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stdout + done.stderr


def python(code: str) -> str:
    """Run Python without greenlet, and return the last line of its complaint."""
    blocked = f"import sys; sys.modules['greenlet'] = sys.modules['httpx2'] = None\n{code}"
    done = subprocess.run([sys.executable, "-c", blocked], capture_output=True, text=True)
    return done.stderr


@pytest.mark.holds(
    "SQLAlchemy takes postgresql alone for another driver, psycopg.",
    "Declare httpx2 with the tests: without it fastapi.testclient takes the old httpx and warns that this is deprecated, or doesn't load.",
)
@pytest.mark.proves(f"{FOLDER}/pyproject.toml")
def test_what_comes_only_with_its_extra_or_its_name() -> None:
    engine = "from sqlalchemy.ext.asyncio import create_async_engine as create\n"
    told = python(f"{engine}create('postgresql+asyncpg://db/orders')")
    assert "ImportError: The SQLAlchemy asyncio module requires" in told
    assert "httpx2 package to be installed" in python("import fastapi.testclient")
    code = (
        "import sys, httpx2\nsys.modules.update(httpx=httpx2, httpx2=None)\n"  # as if it were old
    )
    loads = [sys.executable, "-c", f"{code}import fastapi.testclient"]
    done = subprocess.run(loads, capture_output=True, text=True)
    assert done.returncode == 0 and "Using `httpx`" in done.stderr and "deprecated" in done.stderr
    assert make_url("postgresql://db/orders").get_dialect().driver == "psycopg"
    assert make_url("postgresql+asyncpg://db/orders").get_dialect().driver == "asyncpg"
    with pytest.raises(ModuleNotFoundError):
        make_url("postgresql://db/orders").get_dialect().import_dbapi()


RECORD = {  # by command, what the record says of it
    found[1]: found[2].splitlines()
    for found in re.finditer(r"^\$ (.*)\n((?:[^$].*\n)*)", pins.RECORD.read_text(), re.MULTILINE)
}


ROWS = {  # of the page, by what the record says of a command
    "uv pip install -r pins.txt": ("green", ""),
    "uv pip check": ("green", "All installed packages are compatible"),
    'python -c "import sqlalchemy"': ("red", "AssertionError: the class has additional attributes"),
    "pytest -q test_orders.py": ("green", "1 skipped, 1 warning"),
}


@pytest.mark.holds(
    "Seven old releases, pinned by hand, were installed on a newer Python, 3.13:",
    "uv pip install -r pins.txt | green |",
    "uv pip check | green | All installed packages are compatible",
    'python -c "import sqlalchemy" | red | AssertionError: the class has additional attributes',
    "pytest -q test_orders.py | green | 1 skipped, 1 warning",
)
def test_the_rows_are_those_of_the_record(record_property: Callable[[str, str], None]) -> None:
    assert list(RECORD) == list(pins.STEPS)
    assert RECORD["cat pins.txt"] == pins.PINS.splitlines()
    assert len(RECORD["cat pins.txt"]) == 7
    assert RECORD["python --version"] == ["Python 3.13"]
    for command, (ended, said) in ROWS.items():
        *lines, status = RECORD[command]
        assert (status == "status 0") == (ended == "green")
        for part in said.split(": the class "):
            assert part in "".join(lines)
    page = (DOCS / f"{FOLDER}.md").read_text()
    day = pins.RECORD.read_text().partition("\n")[0].removeprefix("recorded ")
    for part in day.split("-"):
        record_property("figure", part)
    assert f"| On {day} | It ended | It said |" in page


@pytest.mark.holds(
    "No test of this site repeats these rows, because that needs a registry.",
    ".github/workflows/watch.yml does so each month, and ends red where a row differs.",
)
def test_a_schedule_makes_the_record_anew() -> None:
    workflow = yaml.load((ROOT / ".github/workflows/watch.yml").read_text(), yaml.BaseLoader)  # noqa: S506  it makes texts alone, so `on` stays one
    steps = workflow["jobs"]["pins"]["steps"]
    assert workflow["on"]["schedule"] == [{"cron": "17 5 1 * *"}]
    assert "-m tests.watch.pins --check python" in steps[-1]["run"]
    (setup,) = [step for step in steps if "setup-python" in step.get("uses", "")]
    assert f"Python {setup['with']['python-version']}" in RECORD["python --version"][0]


@pytest.mark.parametrize(("new", "ends"), [("status 1", False), ("status 2", True)])
def test_a_record_that_differs_is_told(
    monkeypatch: pytest.MonkeyPatch, new: str, ends: bool
) -> None:
    now = pins.RECORD.read_text().partition("\n")[2].replace("status 1", new)
    monkeypatch.setattr(pins, "record", lambda _: now)
    command = "python -m tests.watch.pins --check python3.13"
    monkeypatch.setattr(sys, "argv", command.split()[2:])
    with pytest.raises(SystemExit, match="record is old") if ends else nullcontext():
        pins.main()


@pytest.mark.holds(
    "The old release counts the attributes of a class, and from Python 3.13 each class has two more, so sqlalchemy==2.0.23 can't be imported there.",
)
def test_a_class_has_more_attributes_since() -> None:
    class Order:
        """An order."""

    added = {name for name in vars(Order) if name in str(RECORD)}
    more = {"__static_attributes__", "__firstlineno__"} if sys.version_info >= (3, 13) else set()
    assert len({"__static_attributes__", "__firstlineno__"}) == 2
    assert added == more
    assert "sqlalchemy==2.0.23" in RECORD["cat pins.txt"]


@pytest.mark.holds(
    "The test of the last row is asynchronous and asserts False.",
    "pytest==7.4.3 skips it, and ends green.",
    "The locked pytest fails it.",
)
def test_the_locked_pytest_fails_what_the_old_one_skips(tmp_path: Path) -> None:
    assert "pytest==7.4.3" in RECORD["cat pins.txt"]
    assert RECORD["pytest -q test_orders.py"] == ["1 skipped, 1 warning", "status 0"]
    assert pins.TEST == "async def test_total():\n    assert False\n"
    file = tmp_path / "test_orders.py"
    file.write_text(pins.TEST)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        f"--rootdir={tmp_path}",
        "-p",
        "no:cacheprovider",
    ]
    bare = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        [*command, str(file)], cwd=tmp_path, env=bare, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "async def functions are not natively supported" in done.stdout


@pytest.mark.holds(
    "A lock refuses what has changed",
    "A lock names the hash of each file, so uv and pip refuse a file of the same name and version that holds something else, before they install anything.",
    'The words of uv are "Hash mismatch".',
    "Without hashes it installs that file without a word.",
    "Neither looks at what is installed already: they are green on a changed package of the right version.",
    "So install into a new environment.",
)
def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    def uv(*words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        command = ["uv", "pip", *words, "--offline", "--no-index", f"--find-links={tmp_path}"]
        return subprocess.run(command, input=given, cwd=tmp_path, capture_output=True, text=True)

    wheel(tmp_path, "ledger", "1.0", source="safe = True\n")
    lock = tmp_path / "requirements.txt"
    lock.write_text(uv("compile", "--generate-hashes", "--quiet", "-", given="ledger").stdout)
    assert lock.read_text().count("--hash=sha256:") == 1
    install = ["install", "--no-cache", "--require-hashes", "-r", "requirements.txt"]
    assert uv(*install, "--target=first").returncode == 0
    wheel(tmp_path, "ledger", "1.0", source="safe = False\n")
    refused = uv(*install, "--target=second")
    assert refused.returncode == 1
    assert "Hash mismatch" in refused.stderr
    assert not (tmp_path / "second/ledger.py").exists()
    pip = [sys.executable, "-m", "pip", "--isolated", "install", "--no-index", "--no-cache-dir"]
    pip += [f"--find-links={tmp_path}", "--require-hashes", "--requirement=requirements.txt"]
    told = subprocess.run([*pip, "--target=pip"], cwd=tmp_path, capture_output=True, text=True)
    assert told.returncode == 1
    assert "DO NOT MATCH THE HASHES" in told.stderr
    assert not (tmp_path / "pip/ledger.py").exists()
    assert uv("install", "--no-cache", "ledger==1.0", "--target=third").returncode == 0
    assert (tmp_path / "third/ledger.py").read_text() == "safe = False\n"
    there = tmp_path / "there"
    subprocess.run(["uv", "venv", "--quiet", "--python", sys.executable, str(there)], check=True)
    assert uv("install", "--no-cache", "ledger", f"--python={there}").returncode == 0
    (code,) = there.glob("lib/python*/site-packages/ledger.py")
    wheel(tmp_path, "ledger", "1.0", source="safe = True\n")  # what the lock names
    assert uv(*install, f"--python={there}").returncode == 0
    pip[3:5] = ["--isolated", f"--python={there}", "install"]
    assert subprocess.run(pip, cwd=tmp_path, capture_output=True).returncode == 0
    assert code.read_text() == "safe = False\n"


@pytest.mark.holds(
    "Keep the commands that write the locks, as snippets/service/Makefile does.",
    "Install requirements.txt in the image, and requirements-dev.txt on your machine and in the tests.",
)
def test_the_service_locks_and_installs_with_hashes() -> None:
    makefile = (service.SERVICE / "Makefile").read_text()
    compiled = re.findall(r"uv pip compile.*(?:\\\n.*)*", makefile)
    synced = re.findall(r"(?:uv pip sync|pip install) .*-dev.txt|pip install .*uv.txt", makefile)
    assert compiled
    assert synced
    for option in "--universal", "--python-version", "--generate-hashes":
        assert all(option in one for one in compiled)
    assert all("--require-hashes" in one for one in synced)
    assert "compile --constraint requirements.txt --group dev" in makefile
    image = (service.SERVICE / "Dockerfile").read_text()
    assert re.search(r"--require-hashes .*requirements\.txt", image.replace("\\\n", ""))
    assert "requirements-dev.txt" not in image


@pytest.mark.holds(
    "The first lock constrains the second, so a package has the same version in the tests and in the image.",
    "Write the locks again after each change of pyproject.toml.",
    "It keeps the versions that the files name.",
)
@pytest.mark.proves(f"{FOLDER}/lock.sh")
def test_both_locks_name_the_same_versions(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    text = (SNIPPETS / FOLDER / "lock.sh").read_text()
    environment = {
        **os.environ,
        "UV_NO_CONFIG": "1",
        "UV_NO_INDEX": "1",
        "UV_OFFLINE": "1",
        "UV_FIND_LINKS": str(tmp_path),
    }

    def locked(script: str) -> list[list[str]]:
        command = ["sh", "-euc", script]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        locks = [(tmp_path / f"requirements{end}.txt").read_text() for end in ("", "-dev")]
        assert all(lock.count("==") == lock.count("--hash=sha256:") for lock in locks)
        return [re.findall(r"^\w+==\S+", lock, re.MULTILINE) for lock in locks]

    project = LIST.read_text().partition("dependencies = [")[0]
    (tmp_path / "pyproject.toml").write_text(
        f'{project}dependencies = ["ledger"]\n[dependency-groups]\ndev = ["coins"]\n'
    )
    wheel(tmp_path, "ledger", "1.0")
    wheel(tmp_path, "coins", "1.0", Requires_Dist="ledger")
    started = time.perf_counter()
    assert locked(text) == [["ledger==1.0"], ["coins==1.0", "ledger==1.0"]]
    seconds = time.perf_counter() - started
    pytestconfig.stash[STATE].runs[f"{FOLDER}/lock.sh"] = Run(seconds=seconds)
    wheel(tmp_path, "ledger", "1.1")
    assert locked(text) == [["ledger==1.0"], ["coins==1.0", "ledger==1.0"]]
    (tmp_path / "requirements-dev.txt").unlink()
    assert locked(text)[1] == ["coins==1.0", "ledger==1.0"]
    (tmp_path / "requirements-dev.txt").unlink()
    loose = text.replace("--constraint requirements.txt ", "")
    assert loose != text and locked(loose)[1] == ["coins==1.0", "ledger==1.1"]
    upgraded = text.replace("compile", "compile --upgrade")
    assert locked(upgraded) == [["ledger==1.1"], ["coins==1.0", "ledger==1.1"]]


@pytest.mark.holds(
    "Your code imports a package that came along with another one.",
    "The other one's next release doesn't need it, and the import fails.",
)
def test_what_came_along_is_gone_with_the_next_release(tmp_path: Path) -> None:
    def install(name: str) -> subprocess.CompletedProcess[str]:
        command = ["uv", "pip", "install", "--offline", "--no-index", f"--target={name}", "ledger"]
        done = subprocess.run(
            [*command, f"--find-links={tmp_path}"], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return subprocess.run(
            [sys.executable, "-c", "import coins"],
            cwd=tmp_path / name,
            capture_output=True,
            text=True,
        )

    wheel(tmp_path, "coins", "1.0")
    wheel(tmp_path, "ledger", "1.0", Requires_Dist="coins")
    assert install("first").returncode == 0
    wheel(tmp_path, "ledger", "1.1")
    assert "ModuleNotFoundError: No module named 'coins'" in install("second").stderr


@pytest.mark.holds(
    "Or the same list installs another release than last week, because it has no lock.",
)
def test_a_list_takes_the_newest_and_a_lock_stays(tmp_path: Path) -> None:
    def compile_(*more: str) -> str:
        command = ["uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--offline"]
        command += ["--no-index", f"--find-links={tmp_path}", *more, "-"]
        done = subprocess.run(command, input="ledger", cwd=tmp_path, capture_output=True, text=True)
        return done.stdout or (tmp_path / "lock.txt").read_text()

    wheel(tmp_path, "ledger", "1.0")
    assert compile_("--output-file=lock.txt") == "ledger==1.0\n"
    wheel(tmp_path, "ledger", "1.1")
    assert compile_() == "ledger==1.1\n"
    assert compile_("--output-file=lock.txt") == "ledger==1.0\n"


@pytest.mark.holds(
    "uv pip check asks nobody for vulnerabilities: it works without a network.",
)
def test_a_check_of_versions_asks_nobody() -> None:
    command = [*CHECK.split(), "--offline", f"--python={sys.executable}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, "All installed packages are compatible" in done.stderr) == (0, True)


@pytest.fixture
def registry() -> Iterator[str]:
    """The address of a registry that knows one package, `ledger`, and no vulnerability."""

    class Unknown(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if "/ledger/" not in self.path:
                return self.send_error(404)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"vulnerabilities": []}')
            return None

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Unknown)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


AUDIT = """
import os, sys, urllib.parse, requests
from pip_audit._cli import audit
ask = requests.Session.request
def request(self, method, url, **rest):
    return ask(self, method, os.environ["REGISTRY"] + urllib.parse.urlsplit(url).path, **rest)
requests.Session.request = request
for sys.argv[1:] in map(str.split, sys.argv[1:]):
    try:
        audit()
    except SystemExit as ended:
        print("status", ended.code, flush=True)
    else:
        print("status 0", flush=True)
"""  # its registry has a fixed address: here it leads to ours


@pytest.mark.holds(
    'Where the service doesn\'t know a package, pip-audit skips it, says "No known vulnerabilities found" and ends green.',
    "So run pip-audit --strict, which ends red on what it can't audit.",
    "An audit asks a service for known vulnerabilities, and it can only say what that service knows.",
    "Name the lock with --requirement, as make audit of the service does: an audit of the environment is red on your own package, which no service knows.",
)
def test_an_audit_is_green_on_what_nobody_knows(registry: str, tmp_path: Path) -> None:
    (tmp_path / "lock.txt").write_text(f"orders==1.0 --hash=sha256:{'0' * 64}\n")
    (tmp_path / "known.txt").write_text(f"ledger==1.0 --hash=sha256:{'0' * 64}\n")
    there = tmp_path / "there"
    files = [wheel(tmp_path, name, "1.0") for name in ("ledger", "orders")]
    put = ["uv", "pip", "install", "--quiet", "--offline", f"--target={there}", *map(str, files)]
    subprocess.run(put, check=True)
    quiet, locked = "--progress-spinner=off --cache-dir=cache", "--disable-pip --requirement"
    asked = {
        f"{locked}=lock.txt": 0,
        f"--strict {locked}=lock.txt": 1,
        f"--strict --path={there}": 1,
        f"--strict {locked}=known.txt": 0,
    }
    command = [str(service.BIN / "python"), "-c", AUDIT, *(f"{quiet} {one}" for one in asked)]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "REGISTRY": registry},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    *said, rest = re.split(r"^status (\d+)\n", done.stdout, flags=re.MULTILINE)
    assert rest == "" and [int(status) for status in said[1::2]] == [*asked.values()], done.stdout
    assert "No known vulnerabilities found" in said[0]
    assert "orders" in said[2] and "orders" in said[4]
    makefile = (service.SERVICE / "Makefile").read_text()
    name = "make audit".removeprefix("make ")
    assert re.search(
        rf"\n{name}: .*\n\t.*pip-audit --strict .*--requirement requirements\.txt", makefile
    )


@pytest.mark.holds(
    "A driver, a plugin or a program that nothing imports looks unused to it, so name these as exceptions, each with its reason.",
)
@pytest.mark.proves(f"{FOLDER}/check.sh")
def test_a_program_looks_unused(tmp_path: Path) -> None:
    project = re.search(
        r"<<'END'\n(.*?)END\n", (SNIPPETS / FOLDER / "check.sh").read_text(), re.DOTALL
    )
    assert project
    assert 'DEP002 = ["uvicorn"]' in project[1]
    (tmp_path / "pyproject.toml").write_text(project[1].partition("\n[tool")[0])
    (tmp_path / "main.py").write_text("import fastapi\n")
    done = subprocess.run(
        ["deptry", "--no-ansi", "."], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "DEP002 'uvicorn' defined as a dependency but not used" in done.stderr
    assert version("deptry")


@pytest.mark.holds(
    "Elsewhere it takes the name of a package for that of its module, and misses jwt although pyjwt is declared.",
)
@pytest.mark.proves(f"{FOLDER}/check.sh")
def test_it_knows_the_modules_of_what_is_installed(tmp_path: Path) -> None:
    here, bare = Path(sysconfig.get_path("purelib")), tmp_path / "bare"
    bare.mkdir()
    for name in "deptry", "click", "packaging", "requirements":
        (bare / name).symlink_to(here / name)
    (bare / "tomli.py").write_text("from tomllib import *\n")
    (tmp_path / "orders").mkdir()
    (tmp_path / "orders/main.py").write_text("import jwt\n")
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "orders"\ndependencies = ["pyjwt"]\n'
    )
    command = [sys.executable, "-m", "deptry", "--no-ansi", "orders"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    command.insert(1, "-S")  # without the packages of this environment
    alone = {**os.environ, "PYTHONPATH": str(bare)}
    done = subprocess.run(command, cwd=tmp_path, env=alone, capture_output=True, text=True)
    assert done.returncode == 1
    assert "DEP001 'jwt' imported but missing" in done.stderr
