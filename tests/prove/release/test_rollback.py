"""What the page on going back claims: releases of a real repository, on a real database."""

import asyncio
import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest
import sqlalchemy as sa
from alembic import autogenerate, command
from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy.ext.asyncio import create_async_engine

from tests.engine.pages import SNIPPETS
from tests.engine.plugin import STATE
from tests.parts.postgres import Postgres, column, connected
from tests.parts.shop import (
    ADDRESSES,
    ENV,
    FIRST,
    MIGRATION,
    PHONES,
    RELEASES,
    RENAMED,
    USERS,
    Shop,
)
from tests.prove.twins import dont

FOLDER = "release/rollback"
Walk = dict[str, list[str]]
pytestmark = pytest.mark.timeout(1200)  # seconds: the first waits for all else, on a busy machine


INSTRUCTIONS = [
    "Deploy the image of the release before, and leave the schema as the new release made it.",
    "If you don't know whether the release before runs on the new schema, run its tests on that schema before you release.",
    "Switch the feature flag off where there is one, or else bring the image back, and undo a migration last: it can take with it what users entered.",
    "Do: test the way back before you need it",
    "Install alembic, asyncpg, greenlet, pytest, sqlalchemy and uv, and put the programs of PostgreSQL where your shell finds them.",
    "Put your tags for ours, and run this in a clone, on a database of its own:",
    "For v1.3.0, split the renaming into steps, as Change a schema while the service runs does.",
    "Don't check out the old code first",
    "Do: name the revision, where the schema must go back",
    "Stop all processes of the new release first, and expect that nobody is served until the release before runs.",
    "Keep a dump, and let the code that knows 0003 undo it, down to the revision of the release before.",
    "Let no test run on this database, because tests write:",
    "Do: keep what users entered",
    "Don't: drop the column again",
    "Do: restore each backup",
    "Put the dump into another database, and count what is there:",
    "Run it each night, and set the least number of rows some percent below that of the night before, because users leave too.",
    "Count the rows of each table that you can't lose, and copy the dumps of several nights to another machine.",
    "Don't trust a backup that nobody restored",
    "Do: bring back what a downgrade dropped",
    "Put the dump beside the database, and copy only what is missing:",
    'Write into the release notes which revision the release before needs, as snippets/service/README.md does below "Release".',
    "Give each image the tag of its release, and keep the image of the release before.",
    "Keep a way from each release to the one before it: add in one release, and drop in a later one.",
    "Let someone go back on purpose once a quarter.",
    "Run tested.sh in your pipeline, with the tag that runs and the commit that comes.",
]


JUDGEMENTS = [
    "We call it a rollback when we let the release before run again.",
]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Shop:
    """A repository whose release v1.2.3 has two users in its database `shop`."""
    folder = tmp_path_factory.mktemp("rollback") / "shop"
    folder.mkdir()
    made = Shop(folder, postgres)
    made.migrate("shop", "v1.2.3", "head")
    made.tell("shop", USERS)
    return made


@pytest.fixture(scope="module")
def walk(shop: Shop, pytestconfig: pytest.Config) -> Iterator[Walk]:
    """What the page's commands said, by the name of their block."""
    found = Walk()

    def take(database: str, *names: str) -> None:
        for name in names:
            found[name] = shop.take(pytestconfig.stash[STATE], database, f"{FOLDER}/{name}")

    shop.tell("postgres", "CREATE DATABASE rehearsal")
    shop.tell("shop", "CREATE ROLE backup LOGIN", "GRANT SELECT ON alembic_version TO backup")
    script = f"{FOLDER}/tested.sh"
    found["tested.sh"] = shop.take(pytestconfig.stash[STATE], "rehearsal", script, 1)
    take("shop", "checkout.sh", "backup.sh", "piped.sh", "named.sh")
    shop.tell("shop", "INSERT INTO users (name) VALUES ('Cid')")
    take("shop", "returned.sh")
    yield found
    names = "shop", "rehearsal", "restored", "empty"
    shop.tell("postgres", *[f"DROP DATABASE {name}" for name in names], "DROP ROLE backup")
    shop.forget()


LOST = "Can't locate revision identified by '{}'"


@pytest.mark.holds(
    "Our tests build a repository with four tags: v1.2.3 adds two columns by the migrations 0002 and 0003, v1.2.4 has no migration, and v1.3.0 gives a column another name.",
    "The script ends with status 1 at the first release that can't come back.",
    "The tests of v1.2.2 pass, and none asks whether v1.2.2 reads what v1.2.3 wrote: ask that of rows, queued jobs and cached values.",
)
@pytest.mark.proves(f"{FOLDER}/tested.sh")
def test_the_tests_of_the_release_before_run_on_the_new_schema(walk: Walk) -> None:
    assert walk["tested.sh"] == [
        "v1.2.2 passes on the schema of v1.2.3",
        "v1.2.3 fails on the schema of v1.3.0",
    ]
    named = {tag: [f for f in files if "versions" in f] for tag, files in RELEASES.items()}
    assert len(named) == 4
    assert [Path(file).stem for file in named["v1.2.3"]] == ["0002", "0003"]
    assert "add_column" in ADDRESSES.read_text() and "ADD phone" in PHONES[0]
    assert named["v1.2.4"] == []
    assert "RENAME COLUMN name" in RENAMED[0]
    assert "INSERT" in RELEASES["v1.2.2"]["test_users.py"]
    assert "SELECT" not in RELEASES["v1.2.2"]["test_users.py"]


OWN = """
import os
import subprocess

for statement in "DROP DATABASE IF EXISTS own", "CREATE DATABASE own":
    subprocess.run(["psql", "--dbname=postgres", "--command", statement], check=True)
os.environ["DATABASE_URL"] = os.environ["DATABASE_URL"].rpartition("/")[0] + "/own"
subprocess.run(["alembic", "upgrade", "head"], check=True)
"""


@pytest.mark.holds(
    "Tests that make a schema of their own pass on any schema: let these take the database as it is, and import the code beside them.",
)
@pytest.mark.proves(f"{FOLDER}/tested.sh")
def test_a_schema_of_its_own_hides_the_new_one(walk: Walk, shop: Shop) -> None:
    script = (SNIPPETS / FOLDER / "tested.sh").read_text()
    shop.tell("postgres", "CREATE DATABASE hidden")
    (shop.folder / "conftest.py").write_text(OWN)
    done = shop.run("hidden", "sh", "-c", script)
    (shop.folder / "conftest.py").unlink()
    told = [line.replace("fails", "passes") for line in walk["tested.sh"]]
    assert (done.returncode, done.stdout.splitlines()) == (0, told)
    assert told != walk["tested.sh"]
    assert revision(shop, "hidden") == ["0005"]
    shop.tell("postgres", "DROP DATABASE hidden", "DROP DATABASE own")


LAST = {"backup": "are there", "named": "finds", "tested": "passes", "returned": "at the end"}


@pytest.fixture
def failing(walk: Walk, shop: Shop) -> Iterator[Path]:
    """A database of v1.2.3, on which scripts run without a program that they need."""
    assert walk["named.sh"][0] == "the schema is that of 0001"
    shop.migrate("failing", "v1.2.3", "head")
    yield SNIPPETS / FOLDER
    shop.tell("postgres", "DROP DATABASE failing")
    shop.run("postgres", "dropdb", "--if-exists", "apart")


def revision(shop: Shop, database: str) -> list[str]:
    """Return the revision of a database."""
    told = "SELECT version_num FROM alembic_version"
    return column(f"postgresql:{shop.server.address(database)}", told)


@pytest.mark.parametrize(
    ("name", "program"),
    [
        ("backup", "pg_dump"),
        ("backup", "pg_restore"),
        ("named", "pg_dump"),
        ("named", "alembic"),
        ("tested", "alembic"),
        ("returned", "pg_restore"),
        ("returned", "psql"),
    ],
)
def test_a_program_that_fails_ends_its_script(
    failing: Path, shop: Shop, name: str, program: str
) -> None:
    script = (failing / f"{name}.sh").read_text().replace("beside", "apart")
    if name == "named":  # the dump of the walk is there
        script = script.replace("shop.dump", f"without-{program}.dump")
    done = shop.run("failing", "sh", "-c", script, PATH=shop.without(program))
    assert done.returncode, done.stdout
    assert f"no {program}" in done.stderr
    assert LAST[name] not in done.stdout
    assert revision(shop, "failing") == ["0003"]


@pytest.mark.holds(
    "Each script here begins with set -eu: without that, named.sh undoes the migrations although pg_dump failed.",
)
@pytest.mark.proves(f"{FOLDER}/named.sh")
def test_without_it_a_script_goes_on(failing: Path, shop: Shop) -> None:
    scripts = [*failing.glob("*.sh"), *(failing.parent / "checklist").glob("*.sh")]
    assert len(scripts) == 9
    assert all(script.read_text().startswith("set -eu\n") for script in scripts)
    text = (failing / "named.sh").read_text().removeprefix("set -eu\n")
    text = text.replace("shop.dump", "none.dump")
    done = shop.run("failing", "sh", "-c", text, PATH=shop.without("pg_dump"))
    assert "no pg_dump" in done.stderr
    assert (done.returncode, revision(shop, "failing")) == (0, ["0001"])


@pytest.mark.holds(
    "Go back to the release before without losing data",
    "A release goes wrong, and the way back fails too: Can't locate revision identified by '0003'.",
    "The old code has no file of 0003, so its Alembic can't find the revision of the database.",
    "The table alembic_version keeps the id of the last migration.",
    "An image that runs alembic upgrade head when it starts ends in the same way: let no image migrate.",
)
@pytest.mark.proves(f"{FOLDER}/checkout.sh")
def test_old_code_knows_no_new_migration(walk: Walk, shop: Shop) -> None:
    assert walk["checkout.sh"] == [f"FAILED: {LOST.format('0003')}"]
    listed = shop.run("shop", "git", "ls-tree", "-r", "--name-only", "v1.2.2").stdout
    assert re.findall(r"versions/(.*)\.py", listed) == ["0001"]
    assert walk["named.sh"][0] == "the schema is that of 0001"  # the new code undid it
    shop.migrate("newer", "v1.2.3", "head")
    assert revision(shop, "newer") == ["0003"]  # of alembic_version
    shop.run("newer", "git", "switch", "--quiet", "--detach", "v1.2.2")
    done = shop.run("newer", "alembic", "upgrade", "head")
    assert done.returncode and LOST.format("0003") in done.stdout + done.stderr
    shop.tell("postgres", "DROP DATABASE newer")


@pytest.mark.holds(
    "Don't count with alembic downgrade -1: it undoes one migration, and v1.2.3 has two.",
    "From v1.2.4, alembic downgrade -1 undoes a migration of the release before.",
)
@pytest.mark.proves(f"{FOLDER}/named.sh")
def test_one_back_is_one_migration(walk: Walk, shop: Shop) -> None:
    assert walk["named.sh"][0] == "the schema is that of 0001"
    shop.migrate("counted", "v1.2.3", "head")
    told = "alembic downgrade -1"
    assert shop.run("counted", *told.split()).returncode == 0
    assert revision(shop, "counted") == ["0002"]
    assert [file for file in RELEASES["v1.2.4"] if "versions" in file] == []
    shop.run("counted", "git", "switch", "--quiet", "--detach", "v1.2.4")
    assert shop.run("counted", *told.split()).returncode == 0
    assert revision(shop, "counted") == ["0001"]
    shop.tell("postgres", "DROP DATABASE counted")


def addresses(shop: Shop, dump: str) -> int:
    """Return how many addresses a dump holds."""
    done = shop.run("shop", "pg_restore", "--data-only", "--file=-", dump)
    return done.stdout.count("@x.org")


@pytest.mark.holds(
    "A second run ends before its dump, which would hold no address any more, and would take the place of the first.",
)
@pytest.mark.proves(f"{FOLDER}/named.sh")
def test_a_second_run_keeps_the_first_dump(walk: Walk, shop: Shop) -> None:
    script = (SNIPPETS / FOLDER / "named.sh").read_text()
    shop.migrate("twice", "v1.2.3", "head")
    shop.tell("twice", USERS)
    for status in 0, 1:
        done = shop.run("twice", "sh", "-c", script.replace("shop.dump", "first.dump"))
        assert done.returncode == status
        assert ("keep it under another name" in done.stderr) == bool(status)
        assert addresses(shop, "first.dump") == 2
    assert (shop.folder / "first.dump").stat().st_mode & 0o077 == 0, "others may read it"
    shop.run("twice", "pg_dump", "--format=custom", "--file=second.dump")
    assert addresses(shop, "second.dump") == 0
    shop.tell("postgres", "DROP DATABASE twice")


@pytest.mark.holds(
    "Where the variables of libpq name another database than DATABASE_URL, named.sh dumps that one, and drops what no dump has.",
)
@pytest.mark.proves(f"{FOLDER}/named.sh")
def test_a_dump_of_another_database_saves_nothing(walk: Walk, shop: Shop) -> None:
    assert walk["named.sh"]
    script = (SNIPPETS / FOLDER / "named.sh").read_text().replace("shop.dump", "other.dump")
    shop.migrate("saved", "v1.2.3", "head")
    shop.tell("saved", USERS)
    done = shop.run("saved", "sh", "-c", script, PGDATABASE="postgres")
    assert (done.returncode, revision(shop, "saved")) == (0, ["0001"])
    assert addresses(shop, "other.dump") == 0
    shop.tell("postgres", "DROP DATABASE saved")


@pytest.mark.holds(
    "Delete shop.dump once nothing is missing, because it holds what users entered.",
)
@pytest.mark.proves(f"{FOLDER}/returned.sh")
def test_the_dump_holds_what_users_entered(walk: Walk, shop: Shop) -> None:
    assert walk["returned.sh"][-1].endswith("2 addresses")
    assert addresses(shop, "shop.dump") == 2


@pytest.mark.proves(f"{FOLDER}/named.sh")
def test_two_heads_are_refused(shop: Shop) -> None:
    script = (SNIPPETS / FOLDER / "named.sh").read_text().replace("shop.dump", "heads.dump")
    shop.migrate("heads", "v1.2.3", "head")
    second = shop.folder / "migrations/versions/9999.py"
    second.write_text(MIGRATION.format('"9999", "0001"', "SELECT 1", "SELECT 1"))
    done = shop.run("heads", "sh", "-c", script)
    second.unlink()
    assert done.returncode and "the schema is" not in done.stdout
    assert revision(shop, "heads") == ["0003"]
    shop.tell("postgres", "DROP DATABASE heads")


@pytest.mark.holds(
    "alembic heads needs no database: it reads the files of the release before.",
)
@pytest.mark.proves(f"{FOLDER}/named.sh")
def test_the_revision_of_the_release_before_is_named(
    walk: Walk, shop: Shop, record_property: Callable[[str, str], None]
) -> None:
    assert walk["named.sh"] == ["the schema is that of 0001", "v1.2.2 finds its revision"]
    shop.run("shop", "git", "switch", "--quiet", "--detach", "v1.2.2")
    needs = "no" if shop.run("nowhere", "alembic", "heads").stdout == "0001 (head)\n" else "a"
    record_property("says", f"alembic heads needs {needs} database")
    assert "does not exist" in shop.run("nowhere", "psql").stderr


@pytest.mark.holds(
    "Or the way back works, and what users entered since the release is gone.",
    "0002 adds a column for the addresses of users.",
    "This downgrade leaves the column, and the next upgrade finds it:",
    "A column that the release before doesn't know does no harm, where that release names the columns that it reads and writes, and the column allows NULL.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/kept.py",
        dont(f"{FOLDER}/dropped.py", "the address of Ann is gone"),
    ],
    indirect=True,
)
def test_addresses_come_through_a_downgrade(
    snippet: ModuleType, database: str, tmp_path: Path
) -> None:
    versions, config = tmp_path / "migrations/versions", Config()
    versions.mkdir(parents=True)
    (tmp_path / "migrations/env.py").write_text(ENV)
    (versions / "0001.py").write_text(FIRST)
    names = "down_revision, downgrade, revision, upgrade"
    (versions / "0002.py").write_text(f"from {snippet.__name__} import {names}\n")
    config.set_main_option("script_location", str(tmp_path / "migrations"))

    def tell(statement: str) -> None:
        async def told() -> None:
            async with connected(database.replace("+asyncpg", "")) as connection:
                await connection.execute(statement)

        asyncio.run(told())

    command.upgrade(config, "0002")
    tell(USERS)
    command.downgrade(config, "0001")
    tell("INSERT INTO users (name) VALUES ('Cid')")  # the release before goes on
    command.upgrade(config, "0002")
    found = column(database, "SELECT email FROM users ORDER BY id")
    assert found[0], "the address of Ann is gone"
    assert found == ["ann@x.org", "bob@x.org", None]


@contextmanager
def in_memory() -> Iterator[sa.Connection]:
    """Return a connection to an empty SQLite, and close it at the end."""
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.mark.holds(
    "if_not_exists is there since Alembic 1.16, fails on SQLite, and leaves a column of another type as it is.",
)
@pytest.mark.proves(f"{FOLDER}/kept.py")
def test_a_column_that_exists_is_left(
    database: str, record_property: Callable[[str, str], None]
) -> None:
    told = (inspect.getdoc(Operations.add_column) or "").partition("param if_not_exists:")[2]
    since = told.partition("versionadded:: ")[2].split()[0]
    assert since == "1.16.0"
    record_property("figure", since.rpartition(".")[0])

    def add(connection: sa.Connection) -> None:
        email = sa.Column("email", sa.String(200))
        operations = Operations(MigrationContext.configure(connection))
        operations.add_column("users", email, if_not_exists=True)

    with in_memory() as connection:
        connection.execute(sa.text("CREATE TABLE users (id integer)"))
        with pytest.raises(sa.exc.OperationalError, match="syntax error") as refused:
            add(connection)
    record_property("says", f"fails on {'SQLite' if 'sqlite3' in str(refused.value) else ''}, and")

    async def leave() -> None:
        engine = create_async_engine(database)
        async with engine.begin() as connection:
            await connection.execute(sa.text("CREATE TABLE users (email integer)"))
            await connection.run_sync(add)
        await engine.dispose()

    asyncio.run(leave())
    kind = "SELECT data_type FROM information_schema.columns WHERE column_name = 'email'"
    assert column(database, kind) == ["integer"]


@pytest.mark.holds("Where Alembic generates a migration, it writes such a downgrade.")
@pytest.mark.proves(f"{FOLDER}/dropped.py")
def test_a_generated_downgrade_drops() -> None:
    users = sa.MetaData()
    sa.Table("users", users, sa.Column("email", sa.String(200)), sa.Column("id", sa.Integer))
    with in_memory() as connection:
        connection.execute(sa.text("CREATE TABLE users (id integer)"))
        made = autogenerate.produce_migrations(MigrationContext.configure(connection), users)
    assert made.downgrade_ops
    written = autogenerate.render_python_code(made.downgrade_ops)
    assert "op.drop_column('users', 'email')" in written
    assert 'op.drop_column("users", "email")' in ADDRESSES.read_text()


@pytest.mark.holds(
    "The tests of both releases are green: each runs on a schema of its own.",
)
@pytest.mark.proves(f"{FOLDER}/dropped.py")
def test_both_releases_are_green(walk: Walk, shop: Shop) -> None:
    assert walk["tested.sh"]
    shop.tell("postgres", "CREATE DATABASE green")
    for tag in "v1.2.2", "v1.2.3":
        shop.run("green", "git", "switch", "--quiet", "--detach", tag)
        for told in "alembic upgrade head", "pytest --quiet test_users.py":
            done = shop.run("green", *told.split())
            assert done.returncode == 0, done.stdout
    shop.tell("postgres", "DROP DATABASE green")
    assert "0002.py" in str(list(RELEASES["v1.2.3"]))


@pytest.mark.holds(
    "A dump that fails, is cut off, or has fewer users than that ends the script, and nightly.dump stays that of the night before.",
)
@pytest.mark.proves(f"{FOLDER}/backup.sh")
def test_a_bad_dump_is_red(walk: Walk, shop: Shop) -> None:
    assert walk["backup.sh"] == ["2 users are there again"]
    before = (shop.folder / "nightly.dump").read_bytes()
    script = (SNIPPETS / FOLDER / "backup.sh").read_text()
    create = "createdb restored\n"
    half = f"size=$(wc -c < new.dump)\ntruncate -s $((size * 9 / 10)) new.dump\n{create}"
    for old, new in {"-ge 2": "-ge 4", create: half}.items():
        assert script.count(old) == 1
        done = shop.run("shop", "sh", "-c", script.replace(old, new))
        assert (done.returncode, done.stdout) == (1, ""), done.stderr
    for told in "pg_dump", "pg_restore":
        done = shop.run("shop", "sh", "-c", script, PATH=shop.without(told))
        assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert (shop.folder / "nightly.dump").read_bytes() == before
    assert (shop.folder / "nightly.dump").stat().st_mode & 0o077 == 0, "others may read it"


@pytest.mark.holds(
    "A dump lacks the roles that another server needs: keep the output of pg_dumpall --globals-only beside it, which has the hashes of their passwords.",
)
@pytest.mark.proves(f"{FOLDER}/backup.sh")
def test_a_dump_has_no_roles(walk: Walk, shop: Shop) -> None:
    assert walk["backup.sh"]
    shop.tell("postgres", "CREATE ROLE known PASSWORD 'x'")
    for told, roles in {"pg_dumpall --globals-only": True, "pg_dump": False}.items():
        done = shop.run("shop", *told.split())
        assert ("CREATE ROLE known;" in done.stdout) == roles
        assert ("PASSWORD 'SCRAM-SHA-256$" in done.stdout) == roles
        assert done.returncode == 0
    shop.tell("postgres", "DROP ROLE known")


@pytest.mark.holds(
    "The role backup has no right to read users.",
    "Without pipefail, a pipe ends as its last command does, so gzip hides that pg_dump failed.",
    "gunzip finds nothing in the file, and psql restores it without an error.",
    "psql goes on after an error in a file, or in what it is piped, unless you set ON_ERROR_STOP.",
)
@pytest.mark.proves(f"{FOLDER}/piped.sh")
def test_a_backup_that_failed_is_green(
    walk: Walk, shop: Shop, record_property: Callable[[str, str], None]
) -> None:
    assert walk["piped.sh"][:2] == ["the backup is green", "the restore is green"]
    assert walk["piped.sh"][2] == 'ERROR:  relation "users" does not exist'
    assert walk["piped.sh"][3].endswith("permission denied for table users")
    assert shop.run("shop", "gunzip", "--stdout", "nightly.gz").stdout == ""
    for option, status in {"ON_ERROR_STOP=0": 0, "ON_ERROR_STOP=1": 3}.items():
        told = f"echo 'SELECT nothing; SELECT 5' | psql --set={option} --tuples-only"
        done = shop.run("shop", "sh", "-c", told)
        assert done.returncode == status
        if status:
            record_property("says", f"unless you set {option.partition('=')[0]}")
        assert ("5" in done.stdout) == (status == 0)
        (shop.folder / "two.sql").write_text("SELECT nothing;\nSELECT 5;\n")
        options = f"--set={option}", "--tuples-only", "--file=two.sql"
        assert ("5" in shop.run("shop", "psql", *options).stdout) == (status == 0)
    for setting, status in {"": 0, "set -o pipefail; ": 1}.items():
        ended = shop.run("shop", "bash", "-c", f"{setting}false | true").returncode
        assert ended == status
        if not setting:
            which = "first" if ended else "last"
            record_property("says", f"Without pipefail, a pipe ends as its {which} command does")


@pytest.mark.holds(
    "After named.sh, users went on, and v1.2.3 comes back.",
    "The third user came after the dump, and is lost where the dump takes the place of the database.",
)
@pytest.mark.proves(f"{FOLDER}/returned.sh")
def test_only_what_is_missing_is_brought_back(walk: Walk, shop: Shop) -> None:
    assert walk["returned.sh"] == [
        "after the upgrade: 3 users, 0 addresses",
        "in the dump: 2 users, 2 addresses",
        "at the end: 3 users, 2 addresses",
    ]
    names = "SELECT name FROM users ORDER BY id"
    found = column(f"postgresql:{shop.server.address('shop')}", names)
    assert found == ["Ann", "Bob", "Cid"]
    done = shop.run("shop", "pg_restore", "--data-only", "--file=-", "shop.dump")
    assert "Bob" in done.stdout and "Cid" not in done.stdout
    assert not (shop.folder / "saved.tsv").exists()
    gone = shop.run("beside", "psql", "--command=SELECT 1")
    assert 'database "beside" does not exist' in gone.stderr


@pytest.mark.holds(
    "The service's test starts both releases on one database, asks both over HTTP, and goes back:",
    "0005 drops the old column, so the release before answers 500 until the new code takes 0005 back.",
    "At 0004, each release reads what the other wrote.",
)
@pytest.mark.service(
    "tests/survival/test_rollback.py::test_a_release_is_rolled_back_and_data_is_kept"
)
@pytest.mark.proves("service/tests/survival/test_rollback.py")
def test_the_service_goes_back(service: Callable[[], None]) -> None:
    service()
    number = "0005"
    (contract,) = (SNIPPETS / "service/alembic/versions").glob(f"rev_{number}_*.py")
    assert 'op.drop_column("users", "name")' in contract.read_text()
    assert 'down_revision = "0004"' in contract.read_text()


def test_the_release_notes_name_the_revision() -> None:
    notes = (SNIPPETS / "service/README.md").read_text().partition("\n## Release\n")[2]
    assert "`alembic downgrade 0004` with the new code" in notes
