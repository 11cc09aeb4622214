"""What the page on environments claims: its commands, on wheels of packages that are here."""

import hashlib
import importlib
import io
import os
import re
import runpy
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import textwrap
import time
import tomllib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest

from tests.engine.pages import SNIPPETS
from tests.engine.plugin import STATE
from tests.engine.run import Run
from tests.parts.wheels import pack, wheel

FOLDER = "start/environment"
PACKAGES = ["greenlet", "sqlalchemy", "typing-extensions"]
HIDDEN = re.compile("^(UV_|PIP_|PYTHON|VIRTUAL_ENV)")
Record = Callable[[str, object], None]
STEPS = ["lock.sh", "uv.sh", "pip.sh", "extra.sh", "list.sh", "floor.sh"]


INSTRUCTIONS = [
    "Install what the lock names and nothing else, then import what your code imports.",
    "If you don't know which tool to take, take uv.",
    "Name the oldest Python that you support, and what your code imports with its extras:",
    "Write the lock, and keep it in git:",
    "Create the environment, fill it from the lock, and verify it.",
    "Name the environment with --python .venv.",
    "Don't: leave out an extra",
    "Don't: write the list by hand",
    "Don't: rely on the Python that is there",
    "Install sqlalchemy[asyncio] to run it.",
]


JUDGEMENTS = [
    "We call a folder that runs a Python of the machine with packages of its own an environment, or a virtual environment.",
    "We call the file that names each package with its version and its hash the lock.",
    "We prefer commands that need no activation: a script that forgets it installs elsewhere.",
    "We recommend a run on each system that your team uses: the commands of this page ran on Linux alone.",
]


class Shell:
    """A reader's folder, in which no package index answers and local wheels stand in for it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.wheels = folder / "work", folder / "wheels"
        self.wheels.mkdir()
        for name in PACKAGES:
            pack(name, self.wheels)
        shutil.copytree(SNIPPETS / FOLDER, self.folder)
        kept = {name: told for name, told in os.environ.items() if not HIDDEN.match(name)}
        mine = [sysconfig.get_path("scripts"), f"{sys.base_prefix}/bin"]  # this Python, not another
        self.environment = {
            **kept,
            "PATH": os.pathsep.join([*mine, kept["PATH"]]),
            "NO_COLOR": "1",
            "PIP_COMPILE": "0",  # the wheels bring their bytecode
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_FIND_LINKS": str(self.wheels),
            "PIP_NO_INDEX": "1",
            "UV_CACHE_DIR": str(folder / "cache"),
            "UV_FIND_LINKS": str(self.wheels),
            "UV_NO_CONFIG": "1",
            "UV_NO_WRAP": "1",
            "UV_NO_INDEX": "1",
            "UV_OFFLINE": "1",
            "UV_PYTHON_DOWNLOADS": "never",
        }

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command there; return how it ended."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def packages(self) -> set[str]:
        """Return the packages of its environment, but for what every environment has."""
        (path,) = (self.folder / ".venv/lib").glob("python*/site-packages")
        return {one.name for one in metadata.distributions(path=[str(path)])}


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A folder with the page's files and nothing else."""
    return Shell(tmp_path_factory.mktemp("environment"))


Walk = dict[str, tuple[subprocess.CompletedProcess[str], set[str]]]


@pytest.fixture(scope="module")
def walk(shell: Shell, pytestconfig: pytest.Config) -> Walk:
    """How each step of the page ended, and the packages that its environment then had."""
    session, ended = pytestconfig.stash[STATE], Walk()
    for name in STEPS:
        started, script = time.perf_counter(), SNIPPETS / FOLDER / name
        done = shell.run("sh", "-eu", script)
        ended[name] = done, shell.packages() if name != "lock.sh" else set()
        session.runs[f"{FOLDER}/{name}"] = Run(seconds=time.perf_counter() - started)
        out = script.with_suffix(".out")
        if out.exists() and session.updating:
            out.write_text(done.stdout)
    return ended


def told(walk: Walk, name: str) -> str:
    """Return what a step said, which ended well and as the page shows."""
    done, _ = walk[name]
    assert done.returncode == 0, done.stdout
    out = (SNIPPETS / FOLDER / name).with_suffix(".out")
    assert not out.exists() or done.stdout == out.read_text()
    return done.stdout


@pytest.mark.holds(
    "It names greenlet too, which no line of yours names, and a hash of each file.",
    "With --universal it holds for each system, and with --python-version for each Python from that one on.",
)
@pytest.mark.proves(f"{FOLDER}/pyproject.toml")
def test_the_lock_names_all_with_their_hashes(
    walk: Walk, shell: Shell, record_property: Record
) -> None:
    assert told(walk, "lock.sh") == ""
    lock = (shell.folder / "requirements.txt").read_text()
    assert re.findall(r"^([a-z-]+)==", lock, re.MULTILINE) == PACKAGES
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}", lock)) == len([*shell.wheels.iterdir()])
    assert "greenlet" not in (SNIPPETS / FOLDER / "pyproject.toml").read_text()
    (shell.folder / "marked.txt").write_text("sqlalchemy ; sys_platform == 'win32'\n")
    compile_ = ["uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate", "marked.txt"]
    assert "sqlalchemy" not in shell.run(*compile_).stdout
    there = "sqlalchemy==" + metadata.version("sqlalchemy") + " ; sys_platform == 'win32'"
    options = ["--universal"], ["--python-version", "3.11"]
    (held,) = (told[0] for told in options if there in shell.run(*compile_, *told).stdout)
    record_property("says", f"With {held} it holds for each system, and with {options[1][0]} for")


@pytest.mark.holds(
    "Without the second, it begins at the Python that uv finds, and an older one lacks packages.",
)
@pytest.mark.proves(f"{FOLDER}/lock.sh")
def test_the_lock_begins_at_the_floor(walk: Walk, shell: Shell) -> None:
    assert told(walk, "lock.sh") == ""
    script = (SNIPPETS / FOLDER / "lock.sh").read_text()
    floor = tomllib.loads((SNIPPETS / FOLDER / "pyproject.toml").read_text())["project"]
    assert floor["requires-python"] == ">=" + re.findall(r"--python-version (\S+)", script)[0]
    (shell.folder / "older").mkdir()
    wheel(shell.wheels, "ledger", "1.0")
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    marked = f'ledger ; python_version < "{here}"'
    project = f"version = '1'\nrequires-python = '>=3.8'\ndependencies = ['{marked}']\n"
    (shell.folder / "older/pyproject.toml").write_text(f"[project]\nname = 'a'\n{project}")
    for option, found in ("--python-version 3.10", True), ("", False):
        lock = script.replace("--python-version 3.11", option)
        done = shell.run("sh", "-euc", f"cd older && rm -f requirements.txt\n{lock}")
        assert done.returncode == 0, done.stdout
        assert ("ledger==" in (shell.folder / "older/requirements.txt").read_text()) == found
    (shell.wheels / "ledger-1.0-py3-none-any.whl").unlink()


@pytest.mark.holds("The two tabs give the same packages.")
@pytest.mark.proves(f"{FOLDER}/uv.sh")
def test_both_tools_give_what_the_lock_names(walk: Walk) -> None:
    for name in "uv.sh", "pip.sh":
        assert told(walk, name).splitlines()[-1] == "orders.store", name
        assert {each.lower().replace("_", "-") for each in walk[name][1]} == {*PACKAGES}


@pytest.mark.holds(
    "The commands of this page delete the .venv that is there: that is --clear.",
)
@pytest.mark.proves(f"{FOLDER}/uv.sh")
def test_what_was_there_is_deleted(walk: Walk, shell: Shell) -> None:
    assert walk
    for name in STEPS[1:-1]:
        script = (SNIPPETS / FOLDER / name).read_text()
        (line,) = (each for each in script.splitlines() if "venv " in each and "--clear" in each)
        line = line.removesuffix(" &&")
        shell.run("uv", "venv", "--clear", ".venv")
        kept = shell.folder / ".venv/notes.txt"
        kept.touch()
        assert shell.run("sh", "-euc", line).returncode == 0
        assert not kept.exists(), name


@pytest.mark.proves(f"{FOLDER}/pip.sh")
def test_pip_installs_the_lock(walk: Walk) -> None:
    assert "Successfully installed" in told(walk, "pip.sh")


@pytest.mark.proves(f"{FOLDER}/lock.sh")
@pytest.mark.holds(
    "The hashes let them refuse what has changed.",
    "uv pip sync also removes what the lock doesn't name, your own package too: install that one last, with --no-deps.",
)
def test_another_file_is_refused_and_only_sync_removes(
    walk: Walk, shell: Shell, record_property: Record
) -> None:
    assert told(walk, "lock.sh") == ""
    lock = shell.folder / "requirements.txt"
    good = lock.read_text()
    first = re.search(r"sha256:([0-9a-f]{64})", good)
    assert first
    uv = ["uv", "pip", "sync", "--require-hashes", "requirements.txt"]
    pip = ["python3", "-m", "pip", "--python", ".venv", "install", "--require-hashes"]
    pip += ["--requirement", "requirements.txt"]
    for command, said in (uv, "Hash mismatch"), (pip, "DO NOT MATCH THE HASHES"):
        shell.run("uv", "venv", "--clear")
        lock.write_text(good.replace(first[1], "0" * 64))
        done = shell.run(*command)
        assert done.returncode and said in done.stdout, done.stdout
        assert shell.packages() == set()
        lock.write_text(good)
    shell.run(*uv)
    lock.write_text(
        "".join(part for part in good.partition("greenlet==")[:1])
        + good[good.index("sqlalchemy==") :]
    )
    assert shell.run(*pip).returncode == 0 and "greenlet" in shell.packages()
    assert shell.run(*uv).returncode == 0
    done_to = "keeps" if "greenlet" in shell.packages() else "removes"
    record_property("says", f"uv pip sync also {done_to} what the lock doesn't name")
    lock.write_text(good)
    own = wheel(shell.wheels, "invoices", "1.0", Requires_Dist="nowhere")
    mine = ["uv", "pip", "install", "--python", ".venv", str(own)]
    assert shell.run(*mine).returncode
    assert shell.run(*mine, "--no-deps").returncode == 0 and "invoices" in shell.packages()
    assert shell.run(*uv).returncode == 0 and "invoices" not in shell.packages()
    own.unlink()


@pytest.mark.holds(
    "Create the environment from the lock",
    "Each command waits for the one before, because uv pip check is green on an empty environment.",
)
@pytest.mark.proves(f"{FOLDER}/uv.sh")
@pytest.mark.parametrize("name", ["uv.sh", "pip.sh"])
def test_what_is_refused_ends_the_steps(
    walk: Walk, shell: Shell, name: str, record_property: Record
) -> None:
    assert told(walk, name)
    lock = shell.folder / "requirements.txt"
    good = lock.read_text()
    lock.write_text(re.sub("sha256:[0-9a-f]{64}", "sha256:" + "0" * 64, good))
    done = shell.run("sh", SNIPPETS / FOLDER / name)
    lock.write_text(good)
    assert done.returncode and shell.packages() == set()
    assert "ModuleNotFoundError" not in done.stdout, "the last step ran"
    red = shell.run("uv", "pip", "check", "--python", ".venv").returncode
    colour = "red" if red else "green"
    record_property("says", f"uv pip check is {colour} on an empty environment")


@pytest.mark.holds(
    "Without it, in a shell where another environment is active, uv pip sync removes the packages of that one.",
)
@pytest.mark.proves(f"{FOLDER}/uv.sh")
def test_another_active_environment_keeps_its_packages(walk: Walk, shell: Shell) -> None:
    assert told(walk, "uv.sh")
    active = shell.folder.with_name("active")
    wheel(shell.wheels, "ledger", "1.0")
    assert shell.run("uv", "venv", str(active)).returncode == 0
    install = ["uv", "pip", "install", "--python", str(active), "ledger"]
    assert shell.run(*install).returncode == 0
    script, switch = (SNIPPETS / FOLDER / "uv.sh").read_text(), f"export VIRTUAL_ENV={active}\n"
    for commands, stays in (script, True), (script.replace(" --python .venv", ""), False):
        done = shell.run("sh", "-euc", switch + commands)
        assert done.returncode == 0, done.stdout
        assert ([*active.glob("lib/python*/site-packages/ledger.py")] != []) == stays
    (shell.wheels / "ledger-1.0-py3-none-any.whl").unlink()


BACKEND = """
import pathlib, shutil
def build_wheel(folder, *_):
    pathlib.Path({ran!r}).touch()
    return pathlib.Path(shutil.copy({built!r}, folder)).name
"""


@pytest.mark.holds(
    "Take wheels alone, with --no-build or --only-binary :all:.",
    "A source distribution is built by packages that the lock doesn't name, so code without a hash runs at the install.",
    "So it does for your own package: lock what builds it, and install with --no-build-isolation.",
)
@pytest.mark.proves(f"{FOLDER}/uv.sh")
def test_a_source_distribution_runs_what_no_hash_names(shell: Shell, tmp_path: Path) -> None:
    ran, about = tmp_path / "ran", "Metadata-Version: 2.3\nName: ledger\nVersion: 1.0\n"
    built = wheel(tmp_path, "ledger", "1.0")
    project = '[build-system]\nrequires = ["backend"]\nbuild-backend = "backend"\n'
    project += '[project]\nname = "ledger"\nversion = "1.0"\n'
    source = shell.wheels / "ledger-1.0.tar.gz"
    with tarfile.open(source, "w:gz") as archive:
        for name, text in {"pyproject.toml": project, "PKG-INFO": about}.items():
            file = tarfile.TarInfo(f"ledger-1.0/{name}")
            file.size = len(text)
            archive.addfile(file, io.BytesIO(text.encode()))
    code = BACKEND.format(ran=str(ran), built=str(built))
    backend = wheel(shell.wheels, "backend", "1.0", source=code)
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    (shell.folder / "built.txt").write_text(f"ledger==1.0 --hash=sha256:{digest}\n")
    uv = "uv pip sync --python .venv --require-hashes --no-build"
    pip = "python3 -m pip --python .venv install --require-hashes --only-binary :all: --requirement"
    for name, command in ("uv.sh", uv), ("pip.sh", pip):
        words = (SNIPPETS / FOLDER / name).read_text().replace("\\\n", "").split()
        assert f"{command} " in " ".join(words)
        safe = [*command.split(), "built.txt"]
        wheels_too = [word for word in safe if word not in ("--no-build", "--only-binary", ":all:")]
        shell.run("uv", "venv", "--clear")
        assert shell.run(*safe).returncode and not ran.exists()
        done = shell.run(*wheels_too)
        assert done.returncode == 0 and ran.exists(), done.stdout
        assert {each.lower() for each in shell.packages()} == {"ledger"}
        ran.unlink()
    own, mine = tmp_path / "own", ["uv", "pip", "install", "--python", ".venv", "--no-deps"]
    own.mkdir()
    (own / "pyproject.toml").write_text(project)
    shell.run("uv", "venv", "--clear")
    assert shell.run(*mine, "--no-build-isolation", own).returncode and not ran.exists()
    assert shell.run(*mine, own).returncode == 0 and ran.exists()
    (shell.folder / "locked.txt").write_text(
        f"backend==1.0 --hash=sha256:{hashlib.sha256(backend.read_bytes()).hexdigest()}\n"
    )
    shell.run(*uv.split(), "locked.txt")
    assert shell.run(*mine, "--no-build-isolation", own).returncode == 0
    for file_ in source, backend:
        file_.unlink()


@pytest.mark.holds(
    "pip installs an extra only if you name it, and no check of versions misses it:",
)
@pytest.mark.proves(f"{FOLDER}/extra.sh")
def test_a_missing_extra_passes_the_check(walk: Walk, shell: Shell) -> None:
    assert told(walk, "extra.sh").startswith("uv pip check: green\nImportError")
    assert "greenlet" not in walk["extra.sh"][1]
    shell.run("uv", "venv", "--clear")
    pip = ["python3", "-m", "pip", "--python", ".venv"]
    assert shell.run(*pip, "install", "sqlalchemy").returncode == 0
    assert "greenlet" not in shell.packages()
    assert shell.run(*pip, "check").returncode == 0


@pytest.mark.holds(
    "A list without the packages that its packages need installs, and then a check refuses it:",
)
@pytest.mark.proves(f"{FOLDER}/list.sh")
def test_an_incomplete_list_is_refused_by_the_check(walk: Walk) -> None:
    said = told(walk, "list.sh")
    assert said.splitlines()[0] == "uv pip sync: green"
    assert said.splitlines()[-1] == "uv pip check: refused, exit status 1"
    assert walk["list.sh"][1] == {"SQLAlchemy"}


@pytest.mark.holds(
    "Here the project wants a newer Python than there is.",
    "uv reads requires-python before it creates anything, and venv doesn't.",
    "Where it finds no Python that fits, uv downloads it, unless UV_PYTHON_DOWNLOADS is never, as here:",
)
@pytest.mark.proves(f"{FOLDER}/floor.sh")
def test_only_uv_reads_the_floor(walk: Walk, shell: Shell) -> None:
    said = told(walk, "floor.sh").splitlines()
    assert sys.version_info < (4, 0)
    assert "No interpreter found for Python >=4.0" in said[0]
    assert said[1:] == ["refused, exit status 2", "python3 -m venv: green"]
    assert shell.environment["UV_PYTHON_DOWNLOADS"] == "never"
    nowhere = {"UV_PYTHON_PREFERENCE": "only-managed", "UV_PYTHON_INSTALL_DIR": "managed"}
    for told_, why in ("never", "downloads are set to 'never'"), ("automatic", "offline mode"):
        asked = {**shell.environment, **nowhere, "UV_PYTHON_DOWNLOADS": told_}
        command = ["uv", "venv", "--python", ">=3.11", "elsewhere"]
        lacks = subprocess.run(command, cwd=shell.folder, env=asked, capture_output=True, text=True)
        assert lacks.returncode == 2
        assert "A managed Python download is available" in lacks.stderr and why in lacks.stderr
    mine = (SNIPPETS / FOLDER / "pyproject.toml").read_text()
    assert (shell.folder / "pyproject.toml").read_text() == mine


@pytest.mark.holds(
    "uv needs the same commands on Windows",
    "The commands of the uv tab name no file of the environment.",
    "The others differ in the folder of its programs: .venv/bin is .venv/Scripts there.",
)
def test_what_differs_on_windows() -> None:
    uv, pip = ((SNIPPETS / FOLDER / name).read_text() for name in ("uv.sh", "pip.sh"))
    assert "/" not in uv
    assert ".venv/bin" in pip
    for scheme, folder in {"posix_prefix": ".venv/bin", "nt": ".venv/Scripts"}.items():
        assert sysconfig.get_path("scripts", scheme, {"base": ".venv"}) == folder


@pytest.mark.holds(
    "uv pip check compares what each package says that it needs with what is installed.",
    "It never sees your code, and an extra is nothing that a package needs.",
    "An import shows that a module is there and that it starts on this Python.",
    "It misses an import inside a function, and the driver that a URL such as postgresql+asyncpg://db/orders names.",
)
@pytest.mark.proves(f"{FOLDER}/verify.py")
def test_what_a_check_of_versions_sees(walk: Walk, shell: Shell, tmp_path: Path) -> None:
    needs = metadata.requires("sqlalchemy") or []
    greenlet = [need for need in needs if need.startswith("greenlet")]
    assert greenlet and all("extra ==" in need for need in greenlet)
    assert [need for need in needs if need.startswith("typing-extensions") and "extra" not in need]
    shutil.copy(SNIPPETS / FOLDER / "verify.py", tmp_path)
    (tmp_path / "late").mkdir()
    code = """
        from sqlalchemy import make_url
        URL = make_url("postgresql+asyncpg://db/orders")
        def lazy(): import nowhere
        def driver(): URL.get_dialect().import_dbapi()
    """
    (tmp_path / "late/store.py").write_text(textwrap.dedent(code))
    assert shell.run("sh", "-eu", SNIPPETS / FOLDER / "uv.sh").returncode == 0
    python = shell.folder / ".venv/bin/python"
    verified = shell.run(python, tmp_path / "verify.py", "late")
    assert (verified.returncode, verified.stdout) == (0, "late.store\n")
    for call, lacks in ("lazy", "nowhere"), ("driver", "asyncpg"):
        script = f"import sys; sys.path[:0] = [{str(tmp_path)!r}]\nimport late.store as store"
        done = shell.run(python, "-c", f"{script}\nstore.{call}()")
        assert f"No module named '{lacks}'" in done.stdout
    (tmp_path / "late/store.py").write_text("import nowhere\n")
    assert "No module named 'nowhere'" in shell.run(python, tmp_path / "verify.py", "late").stdout


@pytest.mark.holds(
    "Your tests pass, and in the container the same code ends in ModuleNotFoundError: No module named and a name, or in an ImportError that names an extra.",
)
def test_what_is_missing_ends_in_an_import_error(walk: Walk, shell: Shell) -> None:
    assert "ImportError" in walk["extra.sh"][0].stdout
    shell.run("uv", "venv", "--clear")
    bare = shell.run(".venv/bin/python", "verify.py", "orders")
    assert "ModuleNotFoundError: No module named 'sqlalchemy'" in bare.stdout


@pytest.mark.holds("A module like this one turns it red where greenlet is missing:")
@pytest.mark.parametrize("snippet", [f"{FOLDER}/orders/store.py"], indirect=True)
def test_the_module_needs_the_extra(snippet: ModuleType, shell: Shell) -> None:
    assert snippet.sessions
    shell.run("uv", "venv", "--clear")
    shell.run("uv", "pip", "install", "sqlalchemy")
    red = shell.run(".venv/bin/python", "verify.py", "orders")
    assert red.returncode == 1 and "greenlet" in red.stdout


@pytest.mark.parametrize("snippet", [f"{FOLDER}/verify.py"], indirect=True)
def test_it_imports_every_module(
    snippet: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "invoices"
    (package / "api").mkdir(parents=True)
    for path in "__init__.py", "sums.py", "__main__.py", "api/__init__.py", "api/handlers.py":
        (package / path).write_text("raise SystemExit\n" if path == "__main__.py" else "")
    monkeypatch.syspath_prepend(tmp_path)
    (package / "jobs").mkdir()  # a folder without an __init__.py, whose files can be imported too
    (package / "jobs/nightly.py").touch()
    names = ["invoices", "invoices.api", "invoices.api.handlers", "invoices.jobs.nightly"]
    assert snippet.verify("invoices") == [*names, "invoices.sums"]
    for place in "late.py", "jobs/late.py":
        (package / place).write_text("import nowhere_to_be_found\n")
        importlib.invalidate_caches()
        with pytest.raises(ModuleNotFoundError, match="nowhere_to_be_found"):
            snippet.verify("invoices")
        (package / place).unlink()


@pytest.mark.holds(
    "Import all of your package, after each install and in the image too:",
    "Without the name of a package it ends red, and where it finds no file.",
    "It imports the package beside it before an installed one, so keep it apart from your sources in the image.",
    "It runs what a file does at its import, and leaves out __main__.py.",
    "A file that ends the program at its import turns it red, as sys.exit() does.",
)
@pytest.mark.proves(f"{FOLDER}/verify.py")
def test_no_package_is_refused(
    pytestconfig: pytest.Config,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    file = str(SNIPPETS / FOLDER / "verify.py")
    pytestconfig.stash[STATE].runs[f"{FOLDER}/verify.py"] = Run()  # it has to end red
    monkeypatch.setattr(sys, "argv", [file])
    with pytest.raises(SystemExit, match="Name the package"):
        runpy.run_path(file, run_name="__main__")
    monkeypatch.setattr(sys, "argv", [file, "json"])
    with pytest.raises(SystemExit) as green:
        runpy.run_path(file, run_name="__main__")
    assert green.value.code == 0
    assert "json.decoder" in capsys.readouterr().out
    (tmp_path / "stops").mkdir()
    (tmp_path / "stops/__init__.py").write_text("import sys\nsys.exit()\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "argv", [file, "stops"])
    with pytest.raises(ImportError, match="stops"):
        runpy.run_path(file, run_name="__main__")
    apart, beside = tmp_path / "installed", tmp_path / "source"
    for folder in apart, beside:
        (folder / "invoices").mkdir(parents=True)
    shutil.copy(file, beside)

    def verified() -> str:
        command = [sys.executable, f"{beside}/verify.py", "invoices"]
        environment = {**os.environ, "PYTHONPATH": str(apart)}
        done = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        return f"{done.stdout}{done.returncode}"

    assert verified() == "\nThere is no file to import\n1"
    (apart / "invoices/__init__.py").touch()
    (apart / "invoices/__main__.py").write_text("raise SystemExit(3)\n")
    (beside / "invoices/__init__.py").write_text("print('from the source')\n")
    assert verified() == "from the source\ninvoices\n0"
    shutil.rmtree(beside / "invoices")
    assert verified() == "invoices\n0"
    (apart / "invoices/main.py").write_text("import sys\nsys.exit()\n")
    assert verified().endswith("ImportError: invoices\n1")
