"""Each thing has one spelling: what a gateway may read differently is refused."""

import json

from fastapi import FastAPI
from httpx2 import AsyncClient

from tests.fixtures.sample_data import ANN
from tests.test_handlers import create

IDS = ["01", "001", "+1", "-1", "1.0", "1e0", "1_0", "%31", "%201", "1%20", "0x1", "1,"]
IDS += ["%EF%BC%91", "%D9%A1", "1%0A", "1;a=1", "1%00", "1%2F", "0", "", "1/", "1//"]
QUERIES = ["limit=01", "limit=%2B1", "limit=1.0", "limit=1_0", "limit=%201", "limit="]
QUERIES += ["limit=%EF%BC%91", "limit=1&limit=2", "after=00", "after=-0", "after=+0"]
QUERIES += ["after=0&after=0", "x=1&x=2", "limit=1e1", "limit=0x1", "after=%D9%A1"]
NAMES = {
    "blanks": " \t ",
    "a blank of another script": "\u3000",
    "a blank that doesn't break": "\xa0",
    "no width": "\u200b",
    "joiners": "\u200d\u200c",
    "a filler": "\u3164",
    "another filler": "\u115f\uffa0",
    "Braille without dots": "\u2800",
    "marks alone": "\u0301\ufe0f",
    "a line": "Ann\nBcc: x",
    "a separator of lines": "Ann\u2028x",
    "an old control mark": "Ann\x85",
    "another direction": "Ann\u202etxt.exe",
    "an isolated direction": "Ann\u2066x",
    "a mark of order": "\ufeffAnn",
    "a soft hyphen": "A\xadnn",
    "a private letter": "\ue000",
    "tags": "Ann\U000e0041",
    "a blank before": " Ann",
    "a blank of width behind": "Ann\u2003",
    "a delete": "Ann\x7f",
}
GOOD_NAMES = [
    "Ann",
    "É",
    "李",
    "Ann B. O'Neil-Ström",
    "\u0645\u200c\u0627",
    "👩\u200d💻",
    "⠁",
    "3",
    "한",
]
USER = json.dumps(ANN)
BODIES: dict[str, str | bytes] = {
    "a name twice": USER[:-1] + ', "email": "b@example.org"}',
    "a name twice, spelled otherwise": USER[:-1] + ', "\\u0065mail": "b@example.org"}',
    "UTF-16": USER.encode("utf-16"),
    "UTF-32": USER.encode("utf-32-be"),
    "a mark of order": b"\xef\xbb\xbf" + USER.encode(),
    "half a letter": USER.encode().replace(b"Ann", b"\xc3"),
    "NaN": USER[:-1] + ', "x": NaN}',
    "Infinity": USER[:-1] + ', "x": -Infinity}',
    "two": USER + USER,
    "a comment": USER + " // b",
}


JSON = {"Content-Type": "application/json"}
HOSTS = dict.fromkeys(("Host", "X-Forwarded-Host", "Forwarded"), "evil.example")
ELSEWHERE = [
    *["/%6detrics", "/metric%73", "/%2e/metrics", "/x/..%2fmetrics", "/%64ocs"],
    *["/openapi%2Ejson", "/healthz%00", "/METRICS", "//metrics", "/metrics/", "/me/"],
    *["/users/", "/metrics;x", "/users/1/"],
]


# --8<-- [start:ids]
async def test_an_id_has_one_spelling(client: AsyncClient) -> None:
    await create(client, ANN)
    statuses = dict[str, set[int]]()
    for user_id in IDS:
        path, change = f"/users/{user_id}", {"display_name": "Anna"}
        answers = [await client.get(path), await client.patch(path, json=change)]
        statuses[user_id] = {answer.status_code for answer in answers}
    assert {told: one for told, one in statuses.items() if one - {404, 422}} == {}
    assert (await client.get("/users/1")).json()["display_name"] == "Ann"


# --8<-- [end:ids]


async def test_a_parameter_has_one_spelling(client: AsyncClient) -> None:
    answers = {query: await client.get(f"/users?{query}") for query in QUERIES}
    statuses = {query: answer.status_code for query, answer in answers.items()}
    assert statuses == dict.fromkeys(QUERIES, 422)
    for answer in answers.values():
        assert answer.json()["detail"][0].keys() == {"type", "loc", "msg"}


# --8<-- [start:paths]
async def test_a_path_has_one_spelling_and_leads_nowhere_else(
    client: AsyncClient,
) -> None:
    answers = {path: await client.get(path, headers=HOSTS) for path in ELSEWHERE}
    statuses = {path: answer.status_code for path, answer in answers.items()}
    assert statuses == dict.fromkeys(ELSEWHERE, 404)


async def test_the_schema_says_so_of_each_path_with_a_parameter(app: FastAPI) -> None:
    told = {
        (path, method): operation["responses"].keys()
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
        if "{" in path
    }
    assert told
    assert [one for one, statuses in told.items() if "404" not in statuses] == []


async def test_no_answer_repeats_what_the_client_says_of_the_host(
    client: AsyncClient,
) -> None:
    there = ["/docs", "/redoc", "/openapi.json", "/users", "/users/9", "/nowhere"]
    for path in [*there, *ELSEWHERE]:
        answer = await client.get(path, headers=HOSTS)
        assert "evil.example" not in answer.text + str(answer.headers)
        assert not answer.is_redirect


# --8<-- [end:paths]


# --8<-- [start:names]
async def test_a_name_shows_something_and_misleads_nobody(client: AsyncClient) -> None:
    await create(client, ANN)
    statuses = dict[str, tuple[int, int]]()
    for what, name in NAMES.items():
        change = {"display_name": name}
        created = await client.post("/users", json={**ANN, **change})
        changed = await client.patch("/users/1", json=change)
        statuses[what] = (created.status_code, changed.status_code)
    assert statuses == dict.fromkeys(NAMES, (422, 422))


async def test_a_name_may_be_written_in_any_script(client: AsyncClient) -> None:
    await create(client, ANN)
    for name in GOOD_NAMES:
        changed = await client.patch("/users/1", json={"display_name": name})
        assert changed.json()["display_name"] == name


# --8<-- [end:names]


async def test_a_body_has_one_reading(client: AsyncClient) -> None:
    statuses = {
        what: (await client.post("/users", content=body, headers=JSON)).status_code
        for what, body in BODIES.items()
    }
    assert statuses == dict.fromkeys(BODIES, 422)
    assert (await client.get("/users")).json()["users"] == []


async def test_a_body_says_that_it_is_json(client: AsyncClient) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        headers = {"Content-Type": kind}
        answer = await client.post("/users", content=USER, headers=headers)
        assert answer.status_code == 422
