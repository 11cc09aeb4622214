"""What the page on proxies claims, most of it held by the service's tests with a real nginx."""

import asyncio
import datetime
import importlib
import inspect
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import fastapi.routing
import httpx2
import pytest
import uvicorn
from cryptography import x509
from fastapi import FastAPI, HTTPException, Request
from fastapi.middleware.cors import CORSMiddleware

from tests.engine.pages import SNIPPETS
from tests.parts import certificates, started
from tests.parts.evidence import failing
from tests.parts.keeper import kept
from tests.parts.server import free_port, serving
from tests.parts.service import BIN
from tests.parts.system import missing
from tests.prove.twins import dont

FOLDER = "deploy/proxies"
NGINX = "service/deploy/nginx.conf"
GATEWAY = "tests/survival/test_gateway.py"
UPSTREAM = "tests/survival/test_upstream.py"
REPLACED = f"{GATEWAY}::test_what_a_client_says_of_itself_is_replaced"
HIDDEN = f"{GATEWAY}::test_what_is_for_operators_is_not_found"
KEEPS = f"{GATEWAY}::test_the_gateway_waits_longer_than_the_service_and_keeps_less"
LARGE = f"{GATEWAY}::test_a_large_body_ends_at_the_gateway"
SHARE = f"{GATEWAY}::test_one_client_has_a_share_of_the_connections"
STREAM = f"{UPSTREAM}::test_an_event_arrives_before_the_stream_ends"
FULL = f"{UPSTREAM}::test_a_buffer_that_is_full_passes_at_once"
READS = f"{GATEWAY}::test_nginx_can_read_the_file"
LIMITS = f"{UPSTREAM}::test_the_service_gives_up_before_the_gateway"
GOES_ON = f"{UPSTREAM}::test_a_gateway_that_gives_up_first_stops_no_change"
RACE = f"{UPSTREAM}::test_a_connection_that_the_server_closes_first_loses_a_change"
FORGED = "203.0.113.9"
Holds = Callable[[], None]


INSTRUCTIONS = [
    "Stand behind a proxy",
    "Let the outermost proxy replace what clients say of themselves, and believe such headers from your proxies' addresses only.",
    "Install fastapi, httpx2 and uvicorn.",
    "Don't believe everybody",
    "Include this file in the http block of nginx, with your own host:",
    "Don't let the first server take each host",
    "Limit what a client may send",
    "Name the pages that may read your answers",
    "Don't name all of them",
    "Give FORWARDED_ALLOW_IPS the address of your proxy, and let nobody else reach the port.",
    "Write the limits of the proxy beside those of the service, and compare them in a test.",
    "Turn buffering off for each stream, by name.",
    "Start your proxy in a test with the file that you deploy.",
]


def told(path: str) -> str:
    """Return a file of the service."""
    return (SNIPPETS / path).read_text()


@pytest.mark.holds(
    "Behind nginx, the log of the service names one address for all clients, or an address that a client made up.",
    "Look at forwarded_allow_ips, the address from which uvicorn believes such headers:",
    "With *, uvicorn takes the first address of the header: the client writes it, and a limit for each address limits nobody.",
    "Behind a proxy that replaces the header, a test sees no difference.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/trusted.py",
        dont(f"{FOLDER}/anyone.py", f"the service believes {re.escape(FORGED)}"),
    ],
    indirect=True,
)
def test_a_client_chooses_no_address(snippet: ModuleType) -> None:
    snippet.server.load()

    def ask(peer: str, said: str) -> str:
        answer: str = asyncio.run(snippet.ask(peer, said))
        return answer.rpartition(" ")[2]

    assert ask("127.0.0.1", "192.0.2.1") == "192.0.2.1"  # it is replaced by the proxy
    for found in (ask("127.0.0.1", f"{FORGED}, 192.0.2.1"), ask("192.0.2.1", FORGED)):
        assert found == "192.0.2.1", f"the service believes {found}"


@pytest.mark.holds(
    "The command line calls it --forwarded-allow-ips, and FORWARDED_ALLOW_IPS sets it for uvicorn and gunicorn.",
    "By default uvicorn believes 127.0.0.1 and ::1.",
    "Behind a proxy with another address, each request then comes from the proxy, and by http.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/trusted.py"], indirect=True)
def test_whom_a_server_believes(snippet: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    assert uvicorn.Config(snippet.app).forwarded_allow_ips == "127.0.0.1,::1"
    snippet.server.load()
    assert asyncio.run(snippet.ask("192.0.2.1", FORGED)) == "http from 192.0.2.1"
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "192.0.2.7")
    assert uvicorn.Config(snippet.app).forwarded_allow_ips == "192.0.2.7"
    (option,) = (one for one in uvicorn.main.params if one.name == "forwarded_allow_ips")
    assert option.opts == ["--forwarded-allow-ips"]
    asked = "from gunicorn.config import Config; print(Config().forwarded_allow_ips)"
    done = subprocess.run(
        [BIN / "python", "-c", asked],
        env={"FORWARDED_ALLOW_IPS": "192.0.2.7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "192.0.2.7" in done.stdout


@pytest.mark.holds(
    "gunicorn's own worker, --worker-class=asgi, takes the scheme from the headers, and no address.",
)
@pytest.mark.proves(f"{FOLDER}/trusted.py")
def test_gunicorns_own_worker_takes_the_scheme_alone() -> None:
    line, said = "gunicorn trusted:app --bind=$HOST:$PORT", dict[str, str]()
    for kind in "--worker-class=asgi", "--worker-class=uvicorn_worker.UvicornWorker":
        with started.serving(f"{line} {kind}", SNIPPETS / FOLDER) as served:
            assert served.get("/address") == 200  # it listens
            url = f"http://{started.LOOPBACK}:{served.port}/address"
            headers = {"X-Forwarded-For": FORGED, "X-Forwarded-Proto": "https"}
            said[kind] = httpx2.get(url, headers=headers, timeout=60).json()
    assert [*said.values()] == [f"https from {started.LOOPBACK}", f"https from {FORGED}"]


@pytest.mark.holds(
    "Behind two proxies, let the inner one add its client, and name both addresses.",
    "Name a network, such as 10.0.0.0/8, only where your proxies alone have addresses of it: uvicorn believes each of them.",
    "uvicorn takes the last address of the header that it wasn't told to believe.",
    "A host name, or a network written 10.0.0.7/8, matches no address, and uvicorn doesn't say so.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/trusted.py"], indirect=True)
def test_two_proxies_are_believed(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client, outer, inner = "192.0.2.1", "10.0.0.7", "127.0.0.1"
    for named, found in {
        f"{inner},{outer}": client,
        f"{inner},10.0.0.0/8": client,
        f"{inner},10.0.0.7/8": outer,
        f"{inner},nginx": outer,
        inner: outer,
    }.items():
        monkeypatch.setattr(
            snippet, "server", uvicorn.Config(snippet.app, forwarded_allow_ips=named)
        )
        snippet.server.load()
        answer = asyncio.run(snippet.ask(inner, f"{FORGED}, {client}, {outer}"))
        assert answer == f"https from {found}"
        around = asyncio.run(snippet.ask("10.9.9.9", FORGED))  # by no proxy
        assert (FORGED in around) == named.endswith("10.0.0.0/8")
    assert not caplog.records


@pytest.mark.holds(
    "The proxy replaces what clients say",
    "snippets/service/deploy/nginx.conf is the proxy of the service, which stands behind it in its tests.",
    "The map names what clients may ask for, as they spell it:",
    "X-Request-ID is an id that nginx makes.",
    "Host is what the client wrote: build no link from it.",
    "nginx answers each other address with 404, so /metrics and /docs stay inside.",
    "Where TLS ends before nginx, $scheme is http: pass on the X-Forwarded-Proto of what ends it.",
)
@pytest.mark.service(REPLACED, f"{HIDDEN}[/docs]", f"{HIDDEN}[/metrics?]")
@pytest.mark.proves(NGINX)
def test_the_proxy_is_that_of_the_tests(service: Holds, record_property: Any) -> None:
    service()
    assert "proxy_set_header X-Forwarded-Proto $scheme;" in told(NGINX)
    assert r'b"X-Forwarded-Proto: https\r\n' in told(f"service/{GATEWAY}")
    assert '"X-Forwarded-Proto: http",' in told(f"service/{GATEWAY}")
    (status,) = re.findall(r'if \(\$known = ""\) \{\s+return (\d+);', told(NGINX))
    record_property("figure", status)
    assert 'CONFIG = ROOT / "deploy/nginx.conf"' in told("service/dev/gateway.py")
    assert "proxy_set_header X-Request-ID $request_id;" in told(NGINX)
    assert "proxy_set_header Host $host;" in told(NGINX)
    assert r"Host: shop.example\r\n" in told(f"service/{GATEWAY}")
    assert '"Host: shop.example",' in told(f"service/{GATEWAY}")
    for path in "/metrics", "/docs":
        assert f'["{path}", ' in told(f"service/{GATEWAY}")


@pytest.mark.holds("An event passes at once")
@pytest.mark.service(f"{STREAM}[events-]")
@pytest.mark.proves(NGINX)
def test_an_event_is_read_while_the_stream_is_open(service: Holds) -> None:
    service()


@pytest.mark.holds(
    "Don't add to what the client sent",
    "The header begins with what the client wrote, and the service finds the right address only if it counts from the end.",
)
@pytest.mark.service(REPLACED)
@pytest.mark.parametrize(
    "patch", [None, failing(f"{FOLDER}/appended.patch", "192.0.2.1, 127.0.0.1")]
)
def test_what_a_client_says_is_replaced(service: Holds, patch: str | None) -> None:
    service()


@pytest.mark.holds(
    "Don't keep events back",
    "By default nginx collects an answer: an event waits until a buffer is full, or the stream ends.",
    "Events of a stream come late, and all at once.",
)
@pytest.mark.service(f"{STREAM}[events-]")
@pytest.mark.parametrize(
    "patch", [None, failing(f"{FOLDER}/buffered.patch", "diff: 'the stream ends' !=")]
)
def test_an_event_passes_at_once(service: Holds, patch: str | None) -> None:
    service()


@pytest.mark.holds(
    "By default nginx collects an answer: an event waits until a buffer is full, or the stream ends.",
    "A header X-Accel-Buffering: no in the answer has the same effect as proxy_buffering off.",
    "FastAPI sends it with its events, which so survive this change; a stream of your own doesn't.",
)
@pytest.mark.service(STREAM, FULL)
@pytest.mark.proves(f"{FOLDER}/buffered.patch")
def test_a_header_turns_buffering_off(service: Holds) -> None:
    service()
    assert '"X-Accel-Buffering: no\\r\\n"' in told(f"service/{UPSTREAM}")
    assert 'response.headers["X-Accel-Buffering"] = "no"' in inspect.getsource(fastapi.routing)


@pytest.mark.holds(
    "Don't give up before the service",
    "While a table is locked, the service answers 503 after 2 seconds, and a client may try again.",
)
@pytest.mark.service(LIMITS)
@pytest.mark.parametrize("patch", [None, failing(f"{FOLDER}/impatient.patch", r"504, False")])
def test_the_service_answers_first(service: Holds, patch: str | None, record_property: Any) -> None:
    service()
    config = told("service/src/accounts/config.py")
    (wait,) = re.findall(r"lock_timeout: float = Field\(default=(\d+)\.0", config)
    record_property("figure", f"{wait} seconds")
    (status,) = re.findall(r"== \((\d+), True\)", told(f"service/{UPSTREAM}"))
    record_property("figure", f"{status} after")


@pytest.mark.holds(
    "A few requests a day end in 502 or 504, and the service has logged no error.",
    "A proxy that waits 1 second for the next byte answers 504 in its place, and stops nothing.",
    "If the lock ends in time for the service, it stores the user.",
    "After 504 the result is unknown, as after any timeout.",
)
@pytest.mark.service(GOES_ON)
@pytest.mark.proves(f"{FOLDER}/impatient.patch")
def test_the_service_goes_on(service: Holds, record_property: Any) -> None:
    service()
    script = told(f"service/{UPSTREAM}")
    (second,) = re.findall(r'"proxy_read_timeout (\d)s"', script)
    record_property("figure", f"{second} second")
    statuses = re.findall(r"status_code == (504)|PATCH., (502)", script)
    lost, late = (status for found in statuses for status in found if status)
    for figure in (f"{lost} or {late}", late, f"{late} in", f"{late} the"):
        record_property("figure", figure)


@pytest.mark.holds(
    "Don't close an idle connection first",
    "nginx keeps an idle connection for 60 seconds here, and the service for 75.",
    "If you don't know which of two time limits is to be longer, give the proxy the longer one for a request, and the shorter one for an idle connection.",
    "By default, uvicorn closes a connection 5 seconds after an answer (--timeout-keep-alive), and gunicorn after 2 (keepalive).",
)
@pytest.mark.service(KEEPS)
@pytest.mark.parametrize("patch", [None, failing(f"{FOLDER}/kept.patch", "assert 60 < 5")])
def test_the_proxy_closes_first(service: Holds, patch: str | None, record_property: Any) -> None:
    service()
    (kept,) = re.findall(r"keepalive_timeout (\d+)s; # shorter", told(NGINX))
    (keeps,) = re.findall(r"(?m)^keepalive = (\d+)", told("service/gunicorn.conf.py"))
    record_property("figure", f"{kept} seconds")
    record_property("figure", keeps)
    default = inspect.signature(uvicorn.Config).parameters["timeout_keep_alive"].default
    record_property("figure", f"{default} seconds")
    assert "--timeout-keep-alive" in [opt for one in uvicorn.main.params for opt in one.opts]
    from_gunicorn = importlib.import_module("gunicorn.config").Keepalive
    assert from_gunicorn.name == "keepalive"
    record_property("figure", f"{from_gunicorn.default}")


@pytest.mark.holds("Compare two limits that stand in two files:")
@pytest.mark.service(KEEPS)
@pytest.mark.proves(f"service/{GATEWAY}")
def test_two_limits_are_compared(service: Holds) -> None:
    service()


@pytest.mark.holds(
    "If the service closes first, nginx may send a request into a connection that is gone.",
    "nginx sends a GET, a PUT or a DELETE again over another connection, and answers a POST or a PATCH with 502.",
)
@pytest.mark.service(RACE)
@pytest.mark.proves(f"{FOLDER}/kept.patch")
def test_a_change_is_not_sent_again(service: Holds, record_property: Any) -> None:
    service()
    script = told(f"service/{UPSTREAM}")
    assert 'AGAIN = [("GET", 204), ("PUT", 204), ("DELETE", 204)]\n' in script
    (lost, same) = re.findall(r'LOST = \[\("POST", (\d+)\), \("PATCH", (\d+)\)\]', script)[0]
    assert lost == same
    record_property("figure", lost)


@pytest.mark.holds(
    "Beyond client_max_body_size 64k, a client gets 413, and the service sees no request.",
    "With limit_conn clients 100, one address gets 429 for the 101st request at once.",
)
@pytest.mark.service(LARGE, SHARE)
@pytest.mark.proves(NGINX)
def test_a_client_has_limits(service: Holds, record_property: Any) -> None:
    service()
    for limit in ("client_max_body_size 64k", "limit_conn clients 100", "limit_conn_status 429"):
        assert f"{limit};" in told(NGINX)
    statuses = re.findall(r"== \((\d+), False\)|== (429)", told(f"service/{GATEWAY}"))
    large, many = statuses[-2][0], statuses[-1][1]
    record_property("figure", large)
    record_property("figure", f"{many} for")
    assert "limit_conn_zone $binary_remote_addr zone=clients:" in told(NGINX)
    (most,) = re.findall(r"limit_conn clients (\d+);", told(NGINX))
    record_property("figure", f"{int(most) + 1}")


Ask = Callable[[str, str], httpx2.Response]


@pytest.fixture(scope="module")
def behind() -> Iterator[str]:
    """The address of an app behind the proxy, which answers with the host that it is told."""
    app = FastAPI()

    @app.get("/orders")
    async def orders(request: Request) -> str:
        return request.headers["Host"]

    @app.get("/down")
    async def down() -> None:
        raise HTTPException(503)

    with serving(app) as server:
        yield server.url


@contextmanager
def ended_tls(text: str, behind: str) -> Iterator[Ask]:
    """Run nginx with servers of the page, and with a certificate; give how to ask it."""
    if absent := missing("gateway"):
        pytest.skip(f"install {', '.join(absent)} to run it")  # CI requires it
    folder, port = Path(tempfile.mkdtemp(prefix="nginx-")), free_port()
    day = datetime.timedelta(days=1)
    shop = certificates.made(x509.DNSName("shop.example"), day, day)
    for name, pem in zip(("shop.pem", "shop.key"), shop, strict=True):
        (folder / name).write_bytes(pem)
    for old, own in {
        "/etc/nginx/": f"{folder}/",
        "listen 443 ssl": f"listen {started.LOOPBACK}:{port} ssl",
        "http://127.0.0.1:8000": behind,
    }.items():
        assert old in text
        text = text.replace(old, own)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "scgi", "uwsgi")
    )
    main = f"pid {folder}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n"
    (folder / "nginx.conf").write_text(f"{main}{temporary}{text}}}\n")
    trusted = ssl.create_default_context(cafile=folder / "shop.pem")
    command = [shutil.which("nginx") or "nginx", "-p", str(folder), "-c", f"{folder}/nginx.conf"]

    def accepts() -> None:
        socket.create_connection((started.LOOPBACK, port)).close()

    with (
        kept([*command, "-g", "daemon off;"], folder, "TERM", accepts),
        httpx2.Client(verify=trusted, timeout=60) as client,
    ):

        def ask(host: str, path: str) -> httpx2.Response:
            url, shown = (
                f"https://{started.LOOPBACK}:{port}{path}",
                {"sni_hostname": "shop.example"},
            )
            return client.get(url, headers={"Host": host}, extensions=shown)

        yield ask


@pytest.mark.holds(
    "Refuse other hosts where TLS ends",
    "The first server answers each host that no other server names, also where the handshake was for shop.example.",
    "Without default_server, nginx gives an unknown host to the first server, and the service believes it.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/hosts.conf",
        dont(f"{FOLDER}/anyhost.conf", "the service is asked for evil.example"),
    ],
)
def test_another_host_is_refused(snippet: str, behind: str) -> None:
    with ended_tls(told(snippet), behind) as ask:
        assert ask("shop.example", "/orders").json() == "shop.example"
        answer = ask("evil.example", "/orders")
    assert answer.status_code == 421, f"the service is asked for {answer.json()}"


@pytest.mark.holds("A test that asks for the right host sees no difference.")
@pytest.mark.proves(f"{FOLDER}/anyhost.conf")
def test_the_right_host_tells_them_not_apart(behind: str) -> None:
    seen = list[tuple[int, str, str]]()
    for name in "hosts", "anyhost":
        with ended_tls(told(f"{FOLDER}/{name}.conf"), behind) as ask:
            answer = ask("shop.example", "/orders")
        header = answer.headers["Strict-Transport-Security"]
        seen.append((answer.status_code, answer.json(), header))
    assert seen == [(200, "shop.example", "max-age=86400")] * 2


@pytest.mark.holds(
    "Strict-Transport-Security tells a browser to take no http for max-age seconds: raise it once all is well.",
    "Without always, an answer such as 503 lacks the header.",
    "A location with an add_header of its own lacks it too.",
)
@pytest.mark.proves(f"{FOLDER}/hosts.conf")
def test_each_answer_has_the_header(behind: str, record_property: Any) -> None:
    text, inner = told(f"{FOLDER}/hosts.conf"), "    location / {\n"
    assert inner in text
    found = dict[str, list[bool]]()
    for name, servers in {
        "always": text,
        "sometimes": text.replace(" always;", ";"),
        "of its own": text.replace(inner, f'{inner}add_header X-Shop "1";\n'),
    }.items():
        with ended_tls(servers, behind) as ask:
            answers = [ask("shop.example", path) for path in ("/orders", "/down")]
        assert [answer.status_code for answer in answers] == [200, 503]
        found[name] = ["strict-transport-security" in answer.headers for answer in answers]
    assert found == {
        "always": [True, True],
        "sometimes": [True, False],
        "of its own": [False, False],
    }
    record_property("figure", f"{answers[-1].status_code} lacks")


def reader(*, allow_credentials: bool) -> str:
    """Return who may read the answer to a request whose cookie has `SameSite=None`."""
    app = FastAPI()
    app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_credentials=allow_credentials)

    async def ask() -> httpx2.Response:
        transport = httpx2.ASGITransport(app)
        headers = {"Origin": "https://evil.example", "Cookie": "session=1"}
        async with httpx2.AsyncClient(transport=transport, base_url="http://a") as client:
            return await client.get("/", headers=headers)

    return str(asyncio.run(ask()).headers["Access-Control-Allow-Origin"])


@pytest.mark.holds(
    "With allow_credentials=True, Starlette answers * with the origin that asks: each page reads what a cookie with SameSite=None opens.",
)
@pytest.mark.parametrize(
    "snippet",
    [f"{FOLDER}/named.py", dont(f"{FOLDER}/every.py", "https://evil.example may read")],
    indirect=True,
)
def test_a_page_of_another_reads_nothing(snippet: ModuleType) -> None:
    assert asyncio.run(snippet.may_read("https://shop.example"))
    assert reader(allow_credentials=False) == "*"  # which no browser takes beside a cookie
    assert reader(allow_credentials=True) == "https://evil.example"
    evil = asyncio.run(snippet.may_read("https://evil.example"))
    assert not evil, "https://evil.example may read the answer"


@pytest.mark.holds(
    "By CORS, your service tells a browser which pages of another origin may read its answers.",
    "It hides an answer, and doesn't stop the request of a form.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/named.py"], indirect=True)
def test_cors_stops_no_form(snippet: ModuleType) -> None:
    named = list[str]()

    async def rename(request: Request) -> None:
        named.append((await request.body()).decode())

    async def send() -> httpx2.Response:
        transport = httpx2.ASGITransport(snippet.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://a") as client:
            origin = {"Origin": "https://evil.example"}
            return await client.post("/me", data={"name": "eve"}, headers=origin)

    snippet.app.post("/me")(rename)
    answer = asyncio.run(send())
    assert named == ["name=eve"]
    assert answer.status_code == 200
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.holds(
    'Let nginx -t -c "$PWD/nginx.conf" check the spelling of the file, and tests such as snippets/service/tests/survival/test_upstream.py the rest.',
    "nginx looks for a relative name in a folder of its own, and may find another file there.",
)
@pytest.mark.service(READS)
@pytest.mark.proves(f"service/{GATEWAY}")
def test_nginx_checks_the_spelling(service: Holds) -> None:
    service()
    assert ' -t -c "$PWD/nginx.conf"\'' in told(f"service/{GATEWAY}")
