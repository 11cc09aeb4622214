"""What holds for each request: an id, one line in the log, a bounded metric."""

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from prometheus_client import REGISTRY
from sqlalchemy import select
from starlette.types import Message, Receive, Scope, Send

from accounts import logs, metrics
from accounts.database import Sessions
from accounts.middleware.measuring import Measuring
from accounts.middleware.request_log import RequestLog
from accounts.models import Message as Outbox
from accounts.services.user_service import UserNotFoundError
from tests.fixtures.sample_data import ANN

Lines = list[dict[str, object]]


def requests(**labels: str) -> float:
    """Return how many requests were counted under some labels."""
    return REGISTRY.get_sample_value("http_requests_total", labels) or 0


def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    """Return what the service logged; each line must be JSON."""
    logged = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [line for line in logged if "logger" not in line]


# --8<-- [start:line]
async def test_a_request_has_an_id_and_one_line(
    capsys: pytest.CaptureFixture[str], client: AsyncClient
) -> None:
    answer = await client.get(
        "/users/7?password=s3cret", headers={"X-Request-ID": "a-1"}
    )
    assert answer.headers["X-Request-ID"] == "a-1"
    (line,) = lines(capsys)
    assert line.pop("timestamp")
    assert line.pop("duration_ms")
    assert line == {
        "event": "request",
        "level": "info",
        "method": "GET",
        "request_id": "a-1",
        "route": "/users/{user_id}",
        "status": 404,
    }


# --8<-- [end:line]


async def test_a_creation_tells_which_message_follows_and_not_to_whom(
    capsys: pytest.CaptureFixture[str], client: AsyncClient, sessions: Sessions
) -> None:
    user_id = (await client.post("/users", json=ANN)).json()["id"]
    async with sessions() as session:
        (message,) = await session.scalars(select(Outbox))
    logged = lines(capsys)
    for hidden in (ANN["email"], str(message.payload["secret"])):
        assert hidden not in str(logged), "the log tells what it must not"
    (created,) = [line for line in logged if line["event"] == "user_created"]
    told = [created[name] for name in ("user_id", "message_id")]
    assert told == [user_id, str(message.id)]


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, 'a"b', "{}"])
async def test_an_id_that_could_harm_the_log_is_replaced(
    client: AsyncClient, given: str
) -> None:
    answer = await client.get("/healthz", headers={"X-Request-ID": given})
    assert len(answer.headers["X-Request-ID"]) == 32


# --8<-- [start:unexpected]
async def test_a_surprise_is_answered_logged_and_counted(
    capsys: pytest.CaptureFixture[str], app: FastAPI, client: AsyncClient
) -> None:
    @app.get("/surprise")
    async def surprise() -> None:
        raise RuntimeError("no one knew")

    before = requests(method="GET", route="/surprise", status="500")
    answer = await client.get("/surprise")
    assert (answer.status_code, answer.json()) == (
        500,
        {"detail": "Internal server error"},
    )
    failed, line = lines(capsys)
    assert failed["request_id"] == line["request_id"] == answer.headers["X-Request-ID"]
    assert (failed["level"], line["status"]) == ("error", 500)
    assert "no one knew" in json.dumps(failed["exception"])
    assert requests(method="GET", route="/surprise", status="500") == before + 1


# --8<-- [end:unexpected]


async def test_a_kind_of_a_known_error_is_answered_as_that(
    app: FastAPI, client: AsyncClient
) -> None:
    class UserGoneError(UserNotFoundError):
        """One that the table doesn't name."""

    @app.get("/gone")
    async def gone() -> None:
        raise UserGoneError

    answer = await client.get("/gone")
    assert (answer.status_code, answer.json()) == (404, {"detail": "User not found"})


async def test_a_stream_that_breaks_is_logged(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure()

    async def breaking(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("half way")

    async def silent() -> Message:
        raise AssertionError("nobody reads the body")

    async def deaf(message: Message) -> None:
        pass

    scope = {"type": "http", "method": "GET", "headers": []}
    await RequestLog(breaking)(scope, silent, deaf)
    failed, line = lines(capsys)
    assert (failed["event"], line["status"]) == ("request_failed", 200)


async def test_a_request_that_hangs_is_in_no_count(
    app: FastAPI, client: AsyncClient
) -> None:
    arrived, done = asyncio.Event(), asyncio.Event()

    @app.get("/hangs")
    async def hangs() -> None:
        arrived.set()
        await done.wait()

    def counted() -> list[object]:
        text = metrics.exposition(None)[0].decode().splitlines()
        return [line for line in text if "/hangs" in line]

    asking = asyncio.create_task(client.get("/hangs"))
    await arrived.wait()
    assert counted() == []
    done.set()
    assert (await asking).status_code == 200
    assert counted() != []


# --8<-- [start:invented]
async def test_what_clients_invent_makes_no_series(client: AsyncClient) -> None:
    def series() -> set[str]:
        return {
            str(sample.labels)
            for metric in REGISTRY.collect()
            for sample in metric.samples
            if sample.name.startswith("http_request")
        }

    async def invent(number: int) -> None:
        for path in (
            f"/{number}",
            f"/users/{number}",
            f"/users/{number}/x",
            f"/me/{number}",
        ):
            await client.get(path)
        await client.request(f"M{number}", "/users/1")

    await invent(0)
    await invent(1)
    before = series()
    for number in range(2, 42):
        await invent(number)
    assert series() == before


# --8<-- [end:invented]


async def test_what_is_no_request_is_passed_on() -> None:
    passed = list[str]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        passed.append(scope["type"])

    async def silent() -> Message:
        raise AssertionError("nobody asks")

    async def deaf(message: Message) -> None:
        raise AssertionError("nobody answers")

    await Measuring(app)({"type": "lifespan"}, silent, deaf)
    assert passed == ["lifespan"]


async def test_the_metrics_are_served(client: AsyncClient) -> None:
    await client.get("/users")
    answer = await client.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    assert (
        'http_requests_total{method="GET",route="/users",status="200"}' in answer.text
    )


async def test_the_metrics_tell_what_waits_in_the_outbox(
    client: AsyncClient, sessions: Sessions
) -> None:
    async def told() -> list[float]:
        text = (await client.get("/metrics")).text
        found = re.findall(
            r"^outbox_(?:messages|oldest_seconds) (.*)", text, re.MULTILINE
        )
        return [float(number) for number in found]

    assert await told() == [0, 0]
    aged = {"created_at": datetime.now(UTC) - timedelta(hours=1), "payload": {}}
    async with sessions.begin() as session:
        session.add(Outbox(task="task", **aged))
        session.add(Outbox(task="task", **aged, error="refused"))
    messages, seconds = await told()
    assert messages == 1
    assert 3600 <= seconds < 3700


async def test_health_tells_the_version_and_the_time(client: AsyncClient) -> None:
    for path in ("/healthz", "/readyz"):
        answer = await client.get(path)
        assert answer.status_code == 200
        assert answer.json()["status"] == "ok"
        assert answer.json()["version"]
        assert answer.json()["time"].endswith("Z")
