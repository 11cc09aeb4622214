"""How an address is confirmed, and users that never did it are forgotten."""

import asyncio
import json
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from httpx2 import AsyncClient
from sqlalchemy import Interval, func, select, text, type_coerce, update
from sqlalchemy.ext.asyncio import AsyncSession

from accounts import background, logs, scheduler
from accounts.config import Settings
from accounts.database import Sessions
from accounts.mail import Mail, SmtpMailer
from accounts.models import Job, Message, User
from accounts.repositories.job_repository import JobRepository
from accounts.repositories.user_repository import UserRepository
from accounts.tasks import deliver
from tests.fixtures.sample_data import ANN, BOB
from tests.test_handlers import create


@pytest.fixture
def mails(monkeypatch: pytest.MonkeyPatch) -> list[Mail]:
    """What was sent."""
    sent = list[Mail]()

    async def send(_: SmtpMailer, mail: Mail, *__: object) -> None:
        sent.append(mail)

    monkeypatch.setattr(SmtpMailer, "send", send)
    return sent


async def deliver_all(settings: Settings, sessions: Sessions) -> None:
    """Send what waits, in the order in which it was asked for."""
    async with sessions() as session:
        query = select(Message.id).order_by(Message.created_at)
        ids = (await session.scalars(query)).all()
    for message_id in ids:
        assert await deliver(sessions, settings, message_id) == "sent"


def token_in(mail: Mail, settings: Settings) -> tuple[int, str]:
    """Return the user's id and the token of the link in a mail."""
    (link,) = [line for line in mail.text.splitlines() if "://" in line]
    assert link.startswith(f"{settings.verify_url}?")
    told = parse_qs(urlsplit(link).query)
    return int(told["user"][0]), told["token"][0]


# --8<-- [start:verified]
async def test_the_link_in_the_mail_confirms_the_address(
    client: AsyncClient, settings: Settings, sessions: Sessions, mails: list[Mail]
) -> None:
    user_id = await create(client, ANN)
    path = f"/users/{user_id}"
    assert (await client.get(path)).json()["verified"] is False
    await deliver_all(settings, sessions)
    (mail,) = mails
    assert mail.to == ANN["email"]
    known_as, token = token_in(mail, settings)
    assert known_as == user_id
    for _ in range(2):  # links are followed twice, by people and by programs
        answer = await client.post(f"{path}/verification", json={"token": token})
        assert (answer.status_code, answer.json()["verified"]) == (200, True)
    assert (await client.get(path)).json()["verified"] is True


# --8<-- [end:verified]


@pytest.mark.parametrize("token", ["x", "a" * 100])
async def test_a_wrong_token_confirms_nothing_and_tells_nothing(
    client: AsyncClient, token: str
) -> None:
    user_id = await create(client, ANN)
    for one in (user_id, user_id + 1):
        path = f"/users/{one}/verification"
        answer = await client.post(path, json={"token": token})
        assert (answer.status_code, answer.json()) == (403, {"detail": "Wrong token"})


@pytest.mark.parametrize(
    "body", [{}, {"token": ""}, {"token": "a" * 101}, {"token": "é"}, {"token": 1}]
)
async def test_what_is_no_token_is_refused(
    client: AsyncClient, body: dict[str, object]
) -> None:
    answer = await client.post("/users/1/verification", json=body)
    assert answer.status_code == 422


# --8<-- [start:changed]
async def test_a_new_address_is_confirmed_anew(
    client: AsyncClient, settings: Settings, sessions: Sessions, mails: list[Mail]
) -> None:
    user_id = await create(client, ANN)
    path = f"/users/{user_id}"
    await deliver_all(settings, sessions)
    await client.patch(path, json={"email": BOB["email"]})
    await client.patch(path, json={"email": BOB["email"]})  # it is no change
    await deliver_all(settings, sessions)
    assert [mail.to for mail in mails] == [ANN["email"], BOB["email"]]
    (_, old), (_, new) = [token_in(mail, settings) for mail in mails]
    statuses = [
        (await client.post(f"{path}/verification", json={"token": token})).status_code
        for token in (old, new)
    ]
    assert statuses == [403, 200]
    changed = await client.patch(path, json={"email": ANN["email"]})
    assert changed.json()["verified"] is False


# --8<-- [end:changed]


# --8<-- [start:address]
async def test_a_mail_goes_to_the_address_that_the_user_has_when_it_is_sent(
    client: AsyncClient, settings: Settings, sessions: Sessions, mails: list[Mail]
) -> None:
    user_id = await create(client, ANN)
    await client.patch(f"/users/{user_id}", json={"email": BOB["email"]})
    await deliver_all(settings, sessions)
    assert {mail.to for mail in mails} == {BOB["email"]}


# --8<-- [end:address]


async def test_older_code_that_changes_an_address_confirms_nothing(
    client: AsyncClient, settings: Settings, sessions: Sessions, mails: list[Mail]
) -> None:
    user_id = await create(client, ANN)
    await deliver_all(settings, sessions)
    _, token = token_in(mails[0], settings)
    async with sessions.begin() as session:
        await session.execute(update(User).values(email=BOB["email"], version=2))
    answer = await client.post(f"/users/{user_id}/verification", json={"token": token})
    assert answer.status_code == 403


async def test_the_secret_is_not_stored_with_the_user(
    client: AsyncClient, settings: Settings, sessions: Sessions, mails: list[Mail]
) -> None:
    await create(client, ANN)
    await deliver_all(settings, sessions)
    _, token = token_in(mails[0], settings)
    async with sessions() as session:
        rows = await session.scalars(text("SELECT users::text FROM users"))
        assert token not in str(rows.all())
        assert await session.scalar(select(func.count()).select_from(Message)) == 0


OLD_CODE = "INSERT INTO users (email, display_name) VALUES ('old@example.org', 'Old')"


# --8<-- [start:forgotten]
async def test_only_those_who_were_asked_and_never_confirmed_are_forgotten(
    client: AsyncClient, settings: Settings, sessions: Sessions
) -> None:
    for name in ("never", "confirmed", "moved", "young"):
        await create(client, {**ANN, "email": f"{name}@example.org"})
    week = timedelta(seconds=settings.forget_after)
    aged = update(User).where(User.email != "young@example.org")
    confirmed = update(User).where(User.email.in_(["confirmed@example.org"]))
    moved = update(User).where(User.email.in_(["moved@example.org"]))
    async with sessions.begin() as session:
        await session.execute(text(OLD_CODE))
        await session.execute(aged.values(created_at=func.now() - week))
        await session.execute(confirmed.values(verified_email=User.email))
        await session.execute(moved.values(verified_email="before@example.org"))
    assert await scheduler.forget(sessions, settings) is False
    async with sessions() as session:
        left = (await session.scalars(select(User.email).order_by(User.id))).all()
    names = [email.partition("@")[0] for email in left]
    assert names == ["confirmed", "moved", "young", "old"]


async def test_one_of_many_schedulers_does_a_job(
    settings: Settings, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = list[str]()
    forget = UserRepository.forget

    async def note(users: UserRepository, *limits: float) -> int:
        done.append("forget")
        return await forget(users, *limits)  # type: ignore[arg-type]  # they are its own

    monkeypatch.setattr(UserRepository, "forget", note)
    many = (scheduler.forget(sessions, settings) for _ in range(5))
    await asyncio.gather(*many)
    await scheduler.forget(sessions, settings)
    assert done == ["forget"]
    async with sessions.begin() as session:
        await session.execute(update(Job).values(due_at=func.now()))
    await asyncio.gather(*(scheduler.forget(sessions, settings) for _ in range(5)))
    assert done == ["forget"] * 2


async def wait_of(sessions: Sessions, job: str) -> timedelta:
    """Return how long a job is not due yet."""
    async with sessions() as session:
        wait = type_coerce(Job.due_at - func.now(), Interval)
        return (await session.scalars(select(wait).where(Job.name == job))).one()


@pytest.mark.parametrize(
    "query", ["SELECT 1 / 0", "SELECT pg_terminate_backend(pg_backend_pid())"]
)
async def test_a_job_that_fails_keeps_no_other_from_its_turn(
    settings: Settings,
    sessions: Sessions,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    query: str,
) -> None:
    logs.configure()
    stopped = asyncio.Event()

    async def fail(users: UserRepository, *_: object) -> int:
        stopped.set()
        await users.session.execute(text(query))
        return 0

    with monkeypatch.context() as broken:
        broken.setattr(UserRepository, "forget", fail)
        await scheduler.schedule_until(stopped, settings)
    told = map(json.loads, capsys.readouterr().out.splitlines())
    failed = [line["job"] for line in told if line["event"] == "job_failed"]
    assert failed == ["forget"]
    assert timedelta() < await wait_of(sessions, "forget") <= scheduler.PAUSE
    assert scheduler.PAUSE < await wait_of(sessions, "forget_keys") <= scheduler.EVERY
    async with sessions.begin() as session:
        await session.execute(update(Job).values(due_at=func.now()))
    await scheduler.forget(sessions, settings)
    assert await wait_of(sessions, "forget") > scheduler.PAUSE


async def test_a_job_stays_due_while_the_database_is_away(
    settings: Settings, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> bool:
        raise ConnectionError

    async def fail(*_: object) -> int:
        broken.setattr(JobRepository, "lock", away)
        raise ConnectionError

    with monkeypatch.context() as broken:
        broken.setattr(UserRepository, "forget", fail)
        with pytest.raises(ConnectionError):
            await scheduler.forget(sessions, settings)
    async with sessions.begin() as session:
        assert await JobRepository(session).lock("forget")


async def test_a_job_holds_its_row_and_a_transaction(sessions: Sessions) -> None:
    seen = list[object]()

    async def look(session: AsyncSession) -> int:
        told = {"own": await session.scalar(select(func.pg_backend_pid()))}
        state = text("SELECT state FROM pg_stat_activity WHERE pid = :own")
        async with sessions() as other:
            seen.append(await other.scalar(state, told))
        seen.append(await scheduler.do_if_due(sessions, "look", look))
        return 0

    async with sessions.begin() as session:
        session.add(Job(name="look", due_at=func.now()))
    assert await scheduler.do_if_due(sessions, "look", look) == 0
    assert seen == ["idle in transaction", None]


async def test_many_are_forgotten_in_parts(
    client: AsyncClient,
    settings: Settings,
    sessions: Sessions,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scheduler, "BATCH", 2)
    for number in range(3):
        await create(client, {**ANN, "email": f"{number}@example.org"})
    hasty = settings.model_copy(update={"forget_after": 1e-6})
    turns = [await scheduler.forget(sessions, hasty) for _ in range(3)]
    assert turns == [True, False, False]
    assert (await client.get("/users")).json()["users"] == []


# --8<-- [end:forgotten]


async def test_it_goes_on_until_it_is_stopped(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped, errors = asyncio.Event(), [ConnectionRefusedError, None]

    async def look(*_: object) -> bool:
        error = errors.pop(0)
        if error:
            raise error
        stopped.set()
        return True

    monkeypatch.setattr(scheduler, "forget", look)
    hasty = settings.model_copy(update={"scheduler_interval": 0.01})
    await scheduler.schedule_until(stopped, hasty)
    assert errors == []


async def test_it_runs_as_a_process_does(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = list[object]()

    async def note(*told: object) -> None:
        known.extend(told)

    monkeypatch.setattr(background, "run", note)
    monkeypatch.setattr(scheduler, "Settings", lambda: settings)
    await scheduler.main()
    assert known == ["scheduler", scheduler.schedule_until, settings]
