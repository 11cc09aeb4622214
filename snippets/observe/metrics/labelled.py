import asyncio
from time import perf_counter

import httpx2
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# region the metrics
registry = CollectorRegistry()
REQUESTS = Counter(
    "http_requests_total",
    "Requests, by what was asked and how it ended.",
    ["method", "path", "status"],
    registry=registry,
)
DURATION = Histogram(
    "http_request_duration_seconds",
    "Seconds from a request to the end of its response.",
    ["method", "path"],
    registry=registry,
)
# endregion


def observe(scope: Scope, status: int, seconds: float) -> None:
    """Count a request under its method and its path."""
    method, path = scope["method"], scope["path"]
    REQUESTS.labels(method, path, status).inc()
    DURATION.labels(method, path).observe(seconds)


# region the middleware, which the next block shows, and an app
class Measuring:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started, status = perf_counter(), 500

        async def watched(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self.app(scope, receive, watched)
        finally:
            observe(scope, status, perf_counter() - started)


app = FastAPI()
app.add_middleware(Measuring)


@app.get("/orders/{order_id}")
async def read_order(order_id: int) -> int:
    return order_id


# endregion


async def main() -> None:
    url = "http://127.0.0.1"
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url=url) as client:
        for order_id in (1, 2, 3):
            await client.get(f"/orders/{order_id}")
        await client.get("/wp-login.php")
        await client.request("STEAL", "/orders/1")
    for metric in registry.collect():
        for name, labels, value, *_ in metric.samples:
            if name == "http_requests_total":
                print(*labels.values(), f"{value:g}")
                #> GET /orders/1 200 1
                #> GET /orders/2 200 1
                #> GET /orders/3 200 1
                #> GET /wp-login.php 404 1
                #> STEAL /orders/1 405 1


if __name__ == "__main__":
    asyncio.run(main())
