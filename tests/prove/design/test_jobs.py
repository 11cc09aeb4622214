"""What the page on jobs claims."""

import functools
import json
import re
import subprocess
import tomllib
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.engine.pages import SNIPPETS
from tests.parts.evidence import failing
from tests.parts.service import BIN, SERVICE

FOLDER = "design/jobs"
SOURCE = SERVICE / "src/accounts"
TASKS = "service/src/accounts/tasks.py"
DELIVERY = "service/src/accounts/services/delivery_service.py"
BROKER = "service/src/accounts/broker.py"
SCHEDULER = "service/src/accounts/scheduler.py"
AWAY = "tests/test_outage.py::TestBrokerless::test_a_user_is_stored_with_its_message_and_answered"
AT_ONCE = "tests/test_tasks.py::test_a_task_sends_its_mails_at_once"
BUG = "tests/test_tasks.py::test_only_a_database_that_is_away_is_tried_again"
ADDRESS = (
    "tests/test_verification.py::test_a_mail_goes_to_the_address_that_the_user_has_when_it_is_sent"
)
FOR_GOOD = "tests/test_relay.py::test_a_mail_server_that_stays_away_ends_with_people"
HOUR = "tests/test_relay.py::test_a_mail_server_that_is_down_for_an_hour_costs_no_mail"
WORKER = "tests/test_worker.py"
KILLED = "tests/survival/test_worker.py::test_a_killed_worker_loses_nothing"
KEPT = "tests/test_tasks.py::test_a_process_keeps_its_connection"
REFUSED = r"assert \(500, 1, 1\) == \(201, 1, 1\)"  # the status, the users, the messages
AGAIN = r"assert 4 == 1"
TOLD = """
import json
import celery
from accounts import tasks
from accounts.config import Settings

settings, plain = Settings.model_construct(), celery.Celery(set_as_current=False)
print(json.dumps({
    "made": tasks.process.cache_info().currsize,
    "pool": plain.conf.worker_pool,
    "late": plain.conf.task_acks_late,
    "expires": str(plain.conf.result_expires),
    "broker": plain.connection_for_write().as_uri(),
    "hold": settings.hold_seconds,
    "mail": settings.mail_timeout,
}))
"""
COROUTINE = """
import celery.app.trace

async def send() -> None:
    print("it ran")

def end(backend: str | None) -> object:
    app = celery.Celery(backend=backend, set_as_current=False)
    work = celery.app.trace.build_tracer("send", app.task(send), app=app)
    return work("1", (), {}, {"id": "1"}).retval

print(repr(end("cache+memory://")), end(None), sep="\\n")
"""
THREADS = """
import asyncio, threading
from accounts import tasks

begun, go_on = threading.Event(), threading.Event()

async def deliver(*_: object) -> str:
    begun.set()
    await asyncio.to_thread(go_on.wait)
    return "sent"

def run() -> None:
    print(*process.deliver([None]))

tasks.deliver, process = deliver, tasks.Process.__new__(tasks.Process)
process.sessions, process.settings, process.runner = None, None, asyncio.Runner()
first = threading.Thread(target=run)
first.start()
begun.wait()
try:
    run()
except RuntimeError as error:
    print(error, flush=True)
go_on.set()
first.join()
run()
process.runner.close()
"""
Holds = Callable[[], None]


INSTRUCTIONS = [
    "Keep each job in the database until it is done, and let the broker carry only its id.",
    "If you don't know what became of a job, send its id again, and let the worker drop what is done.",
    "Read in Store the job with the data how a request stores its job.",
    "Name in autoretry_for only what passes within seconds, such as a database that is away: the outbox tries the rest again later.",
    "Let a periodic job that calls a remote service store messages instead, and the worker does the rest.",
    "Take FastAPI's own background tasks for work that may be lost, as Store the job with the data says.",
    "Write the message in the transaction of the change, and let nothing but the relay speak to the broker.",
    "Give each message a last try, and keep it with its error after that.",
    "Count the messages that wait and those that were set aside, and watch the age of the oldest.",
    "Send the message's id along, so that the receiver can drop the second mail.",
    "Send one message to a worker twice, and let the mail server be away for an hour.",
]


JUDGEMENTS = [
    "We call the program that carries our jobs to the workers a broker.",
]


def body(test: str) -> str:
    """Return the source of a test of the service, which a page's figures come from."""
    file, _, name = test.partition("::")
    told = (SERVICE / file).read_text().partition(f"def {name.rpartition('::')[2]}(")[2]
    assert told, test
    return re.split(r"\n(?:    )?# --8<-- |\n\n\n", told)[0]


@pytest.mark.holds(
    "A user signs up while the broker is away: the answer is 500, and the user is stored all the same.",
    "Don't send from the endpoint",
    "This request sends the message's id itself, once the user is committed:",
    "This mistake is called a dual write.",
    "While the broker is away, the client gets 500, the user is stored, and without a relay, nobody sends the welcome.",
)
@pytest.mark.service(AWAY)
@pytest.mark.parametrize("patch", [None, failing(f"{FOLDER}/delayed.patch", REFUSED)])
def test_without_a_broker_a_user_is_stored_and_answered(
    service: Holds, patch: str | None, record_property: Any
) -> None:
    record_property("figure", re.findall(r"\d+", REFUSED)[0])
    assert "(answer.status_code, users, messages) == (201, 1, 1)" in body(AWAY)
    asks = [file.name for file in SOURCE.rglob("*.py") if "send_task(" in file.read_text()]
    uses = [file.name for file in SOURCE.rglob("*.py") if " Broker()" in file.read_text()]
    assert (asks, uses) == (["broker.py"], ["relay.py"]), "nothing else sends a message's id"
    service()


@pytest.mark.holds(
    "Don't write the task as a coroutine",
    "Celery calls the function, gets a coroutine, and reports success: nothing ran.",
)
@pytest.mark.service(AT_ONCE)
@pytest.mark.parametrize("patch", [None, failing(f"{FOLDER}/coroutine.patch", r"assert 0 == 3")])
def test_a_task_sends_its_mails(service: Holds, patch: str | None) -> None:
    success = body(AT_ONCE).index('.state == "SUCCESS"')
    assert success < body(AT_ONCE).index("len(arrived) == 3"), "the state is compared first"
    service()


@pytest.mark.holds(
    "Where Celery stores results, the task fails instead: Object of type coroutine is not JSON serializable.",
)
@pytest.mark.proves(f"{FOLDER}/coroutine.patch")
def test_a_coroutine_is_no_result() -> None:
    stored, dropped = ran_with_celery()[COROUTINE].splitlines()
    assert "Object of type coroutine is not JSON serializable" in stored
    assert dropped.startswith("<coroutine object send at ")


@pytest.mark.holds(
    "Celery tries it again only while the database is away.",
    "Don't let Celery try a bug again",
    "A wrong value fails 4 times now, instead of once.",
)
@pytest.mark.service(BUG)
@pytest.mark.parametrize("patch", [None, failing(f"{FOLDER}/everything.patch", AGAIN)])
def test_a_bug_is_tried_once(service: Holds, patch: str | None, record_property: Any) -> None:
    tries = AGAIN.split()[1]
    record_property("figure", f"{tries} times")
    service()


@pytest.mark.holds(
    "Don't send what the database knows",
    "This message takes a copy of the address along:",
    "The user moves to another address before the worker comes to the message, and the mail goes to the old one.",
    "Look at send: it takes ids, and reads all else from the database.",
)
@pytest.mark.service(ADDRESS)
@pytest.mark.parametrize(
    "patch", [None, failing(f"{FOLDER}/copied.patch", r"assert \{'ann@example")]
)
def test_a_mail_goes_to_the_address_of_now(service: Holds, patch: str | None) -> None:
    service()


@pytest.mark.holds(
    "The service stores it in a table called outbox, and calls it a message.",
    "The relay of the service sends the ids of messages over the broker, and Celery's worker calls this function with them:",
    "Install celery[redis].",
    "The function is a plain def, and process() returns what its worker process keeps:",
    "The first task makes the runner and the engine, never before the fork: an engine belongs to one event loop.",
    "Each message of a batch has a session of its own.",
)
@pytest.mark.service(
    KEPT, AT_ONCE, "tests/test_relay.py::TestBroker::test_it_tells_how_many_messages_wait"
)
@pytest.mark.proves(TASKS)
def test_a_process_keeps_a_runner(service: Holds) -> None:
    service()
    project = tomllib.loads((SERVICE / "pyproject.toml").read_text())["project"]
    assert "celery[redis]" in project["dependencies"]
    assert told_of_celery()["made"] == 0
    told = (SOURCE / "tasks.py").read_text()
    each = told.partition("\nasync def deliver(")[2]
    assert each.partition("async with sessions() as session:")[2].count(".deliver(message_id)") == 1
    assert "\ndef send(task: Task[[list[str]], None], message_ids: list[str])" in told
    assert "self.settings, self.runner = settings, asyncio.Runner()" in told
    assert '__tablename__ = "outbox"' in (SOURCE / "models/message.py").read_text()
    assert "self.app.send_task(DELIVER, [known]," in (SOURCE / "broker.py").read_text()


@pytest.mark.holds(
    "In one worker process, tasks run one after the other, as in Celery's default pool, prefork.",
    "In a pool of threads, two tasks at once want one runner, and the second raises RuntimeError.",
)
@pytest.mark.proves(TASKS)
def test_a_runner_is_for_one_task_at_a_time() -> None:
    assert told_of_celery()["pool"] == "prefork"
    told = ran_with_celery()[THREADS].splitlines()
    assert told == ["This event loop is already running", "sent", "sent"]


@pytest.mark.holds(
    "While the broker accepts and doesn't answer, .delay() blocks the event loop, and no other request goes on.",
)
@pytest.mark.service(
    "tests/test_broker.py::test_a_process_that_sends_a_task_does_nothing_else_meanwhile"
)
@pytest.mark.proves(f"{FOLDER}/delayed.patch")
def test_who_sends_a_task_blocks_the_loop(service: Holds) -> None:
    service()
    sent = "+        send.delay([str(message.id)])"
    assert sent in (SNIPPETS / FOLDER / "delayed.patch").read_text()


@pytest.mark.holds(
    "A plain task that calls an asynchronous function gets a coroutine too: \"'coroutine' object has no attribute 'email'\".",
)
@pytest.mark.proves(f"{FOLDER}/coroutine.patch")
def test_a_coroutine_is_no_user() -> None:
    async def read_user(user_id: int) -> None:
        """Read a user, as a repository does."""

    user: Any = read_user(1)
    with pytest.raises(AttributeError, match="'coroutine' object has no attribute 'email'"):
        print(user.email)
    user.close()


@pytest.mark.holds(
    "The worker claims a message before it works",
    "The claim counts the try and is committed before the mail is sent, so that no transaction is open meanwhile:",
    "Four workers that get one message at once send one mail.",
    "A claim ends after 45 seconds, a half longer than a mail may take: then another worker may have the message.",
    "A message whose mail wasn't sent is due again after 1 minute, and after twice as long each time, up to an hour.",
    "A bug is logged, and its message comes again: the next release may mend it.",
    "A message that nobody understands, or that kills its workers, is set aside with its error.",
    "The commands of snippets/service/src/accounts/outbox.py list such messages, and send them again.",
)
@pytest.mark.service(
    f"{WORKER}::test_no_transaction_is_open_while_the_mail_server_is_waited_for",
    f"{WORKER}::test_workers_with_one_message_send_one_mail",
    f"{WORKER}::test_a_claim_that_has_ended_is_another_worker_s",
    f"{WORKER}::test_each_try_is_later_than_the_one_before",
    f"{WORKER}::test_a_message_that_nobody_understands_ends_with_people",
    f"{WORKER}::test_a_bug_ends_with_people",
    f"{WORKER}::test_what_kills_its_worker_ends_with_people",
    f"{WORKER}::test_a_mail_that_fails_for_ever_ends_with_people",
    "tests/test_backlog.py::test_what_was_set_aside_is_listed_and_sent_again",
)
@pytest.mark.proves(DELIVERY)
def test_the_worker_claims_a_message(service: Holds, record_property: Any) -> None:
    service()
    told = (SERVICE / WORKER).read_text()
    (first,) = re.findall(r"\[\(0, (\d+)\), \(1, 120\), \(3, 480\), \(9, 3600\)\]", told)
    assert "for _ in range(4))" in body(f"{WORKER}::test_workers_with_one_message_send_one_mail")
    record_property("figure", f"{int(first) // 60} minute")
    held, may = told_of_celery()["hold"], told_of_celery()["mail"]
    assert held == may * 1.5
    record_property("figure", f"{held:g} seconds")
    assert "`python -m accounts.outbox` lists it" in (SOURCE / "outbox.py").read_text()


@pytest.mark.holds(
    "Hand work to a worker and lose nothing",
    "What goes wrong | What becomes of the message",
    "The broker loses it, or no worker runs | Its id is sent again, less and less often",
    "The service's tests take away each of these parts, and bring it back:",
    "The broker is away, or accepts and doesn't answer | It stays in the outbox, and is sent when the broker answers",
    "It comes to a worker twice | The second is dropped, and one mail is sent",
    "Messages keep no order: new ones go before those that come again.",
    "The mail server refuses the mail | It is set aside at once",
    "A worker is killed when the mail server has the mail | It comes again, and the mail is sent twice, with one Message-ID",
    "The mail server is down for an hour | 6 tries fail, and the next one sends the mail",
    "The mail server is down for good | It is set aside after its last try: the 20th, some 14 hours later",
    "The mail server takes the mail, and gives no answer | It is set aside after 3 tries, which may have sent the mail",
    "Nobody understands it: it is a poison message | It is set aside after its last try",
)
@pytest.mark.service(
    f"{WORKER}::test_a_message_that_comes_twice_sends_one_mail",
    f"{WORKER}::test_a_message_that_nobody_understands_ends_with_people",
    "tests/survival/test_broker.py::test_requests_stay_fast_and_jobs_arrive_later",
    "tests/test_relay.py::test_without_a_worker_no_message_is_lost",
    "tests/test_repositories.py::test_a_message_that_nobody_settles_is_handed_over_less_often",
    "tests/test_repositories.py::test_a_message_is_due_once_and_again_when_it_is_lost",
    "tests/test_relay.py::test_new_messages_go_before_old_ones",
    f"{WORKER}::test_a_mail_that_fails_for_ever_ends_with_people",
    KILLED,
    HOUR,
    FOR_GOOD,
    AWAY,
)
def test_nothing_is_lost(service: Holds, record_property: Any) -> None:
    service()
    (tries,) = re.findall(r'outcomes == \["delayed"\] \* (\d+) \+ \["sent"\]', body(HOUR))
    record_property("figure", f"{tries} tries")
    ends = r'\["(\w+)"\] \* (\d+) \+ \["set_aside"\], (\d+)\)'
    told = re.findall(ends, (SERVICE / FOR_GOOD.partition("::")[0]).read_text())
    (_, delayed, hours), (_, doubtful, _) = told
    assert [each[0] for each in told] == ["delayed", "doubtful"]
    record_property("figure", f"{int(delayed) + 1}th")
    record_property("figure", f"{hours} hours")
    record_property("figure", f"{int(doubtful) + 1} tries")
    assert 'mail["Message-ID"]) for mail in inbox.mails' in body(KILLED)
    assert "len(set(sent)) == 2" in body(KILLED)
    refused = '({"END": "550 no"}, ["refused"], "SMTPDataError 550", 1),'
    assert refused in (SERVICE / WORKER).read_text(), "one try, and its error is kept"


@pytest.mark.holds(
    "Give the broker a timeout",
    "socket_timeout, 2 seconds here, ends the call of a broker that accepts and doesn't answer.",
    "Celery sets none by itself, and waits until the broker answers.",
    "The relay logs the error, and asks again at its next turn: what the broker took is marked, and the rest stays due.",
)
@pytest.mark.service(
    "tests/test_broker.py::test_a_broker_that_is_away_is_tried_once_and_soon_given_up",
    "tests/test_broker.py::test_celery_by_itself_has_no_timeout",
    "tests/test_relay.py::test_it_goes_on_until_it_is_stopped",
    "tests/test_relay.py::test_what_the_broker_did_not_take_stays_due",
)
@pytest.mark.proves(BROKER)
def test_a_broker_that_is_silent_is_given_up(service: Holds, record_property: Any) -> None:
    service()
    told = (SOURCE / "broker.py").read_text()
    assert '"socket_timeout": PATIENCE,' in told
    (patience,) = re.findall(r"^PATIENCE = ([\d.]+)$", told, re.MULTILINE)
    record_property("figure", f"{float(patience):g} seconds")
    assert "log.warning(event, error=" in (SOURCE / "background.py").read_text()


@pytest.mark.holds("Without broker_url, Celery looks for RabbitMQ on its own machine.")
@pytest.mark.proves(BROKER)
def test_where_celery_looks_for_a_broker() -> None:
    assert re.fullmatch(r"amqp://.*@localhost:5672//", told_of_celery()["broker"])
    assert '"broker_url": settings' in (SOURCE / "broker.py").read_text()


@pytest.mark.holds(
    "A periodic job has a row too",
    "Of five schedulers at once, one does the job.",
    "A job that fails is logged, and due again after 10 minutes: the others go on.",
    "While work runs, its transaction is open, and the job's row is locked.",
)
@pytest.mark.service(
    "tests/test_verification.py::test_one_of_many_schedulers_does_a_job",
    "tests/test_verification.py::test_a_job_that_fails_keeps_no_other_from_its_turn",
    "tests/test_verification.py::test_a_job_stays_due_while_the_database_is_away",
    "tests/test_verification.py::test_a_job_holds_its_row_and_a_transaction",
)
@pytest.mark.proves(SCHEDULER)
def test_one_scheduler_does_a_job(service: Holds, record_property: Any) -> None:
    service()
    told = (SOURCE / "scheduler.py").read_text()
    (pause,) = re.findall(r"^PAUSE = timedelta\((minutes=\d+)\)$", told, re.MULTILINE)
    record_property("figure", f"{pause.partition('=')[2]} minutes")
    assert "for _ in range(5))" in body(
        "tests/test_verification.py::test_one_of_many_schedulers_does_a_job"
    )


@pytest.mark.holds(
    "Or a worker is killed in the middle of a mail, and nobody sends the mail again.",
)
def test_celery_forgets_a_task_early_and_a_result_late() -> None:
    told = told_of_celery()
    assert (told["late"], told["expires"]) == (False, "1 day, 0:00:00")


@pytest.mark.holds(
    "Run celery --app=accounts.broker:celery worker, python -m accounts.relay and python -m accounts.scheduler as processes of their own.",
)
@pytest.mark.service(
    "tests/test_rules.py::test_the_parts_of_the_compose_file_are_those_of_the_readme",
    "tests/test_startup.py::test_each_process_ends_at_once_and_shows_no_value",
)
def test_the_service_starts_its_processes(service: Holds) -> None:
    service()
    parts = yaml.safe_load((SERVICE / "compose.yaml").read_text())["services"]
    started = (SERVICE / "tests/test_startup.py").read_text()
    for name, command in {
        "worker": "celery --app=accounts.broker:celery worker",
        "relay": "python -m accounts.relay",
        "scheduler": "python -m accounts.scheduler",
    }.items():
        assert parts[name]["command"].startswith(command)
        words = command.removeprefix("python -m ").split()
        assert f'"{name}": {json.dumps(words)},' in started


def told_of_celery() -> dict[str, Any]:
    """Return what Celery and the service say of themselves."""
    told: dict[str, Any] = json.loads(ran_with_celery()[TOLD])
    return told


@functools.cache
def ran_with_celery() -> dict[str, str]:
    """Return what each program prints in the environment of the service, which has Celery."""
    programs = TOLD, COROUTINE, THREADS  # in one process, as their imports take long
    code = "print(chr(0), flush=True)\n".join(programs)
    done = subprocess.run([BIN / "python", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(zip(programs, done.stdout.split("\0\n"), strict=True))


@pytest.mark.holds(
    "The outbox still has the message, and the relay sends its id again until a worker has settled it.",
)
@pytest.mark.service("tests/test_relay.py::test_without_a_worker_no_message_is_lost")
def test_the_relay_sends_an_id_again(service: Holds) -> None:
    service()


@pytest.mark.holds(
    "The service has these tests:",
    "The second test moves the time at which the message is due, instead of waiting for it.",
)
@pytest.mark.service(f"{WORKER}::test_a_message_that_comes_twice_sends_one_mail", HOUR)
@pytest.mark.proves("service/tests/test_relay.py")
def test_the_service_lets_an_hour_pass(service: Holds) -> None:
    service()
    assert "await pass_by(sessions)" in body(HOUR)


@pytest.mark.service(f"{WORKER}::test_a_message_that_comes_twice_sends_one_mail")
@pytest.mark.proves("service/tests/test_worker.py")
def test_the_service_delivers_a_message_twice(service: Holds) -> None:
    service()
