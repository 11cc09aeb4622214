import asyncio
from time import perf_counter

import httpx2
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# region the metrics, and an app
registry = CollectorRegistry()
REQUESTS = Counter(
    "http_requests_total",
    "Requests, by what was asked and how it ended.",
    ["method", "route", "status"],
    registry=registry,
)
DURATION = Histogram(
    "http_request_duration_seconds",
    "Seconds from a request to the end of its response.",
    ["method", "route"],
    registry=registry,
)
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


def observe(scope: Scope, status: int, seconds: float) -> None:
    method = scope["method"] if scope["method"] in METHODS else "OTHER"
    route = getattr(scope.get("route"), "path", "unmatched")
    REQUESTS.labels(method, route, status).inc()
    DURATION.labels(method, route).observe(seconds)


app = FastAPI()


@app.get("/orders/{order_id}")
async def read_order(order_id: int) -> int:
    return order_id // 0


@app.get("/orders")
async def list_orders() -> list[int]:
    return [1, 2]


# endregion
class Measuring:
    """Observes each request when its response has ended."""

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


app.add_middleware(Measuring)


async def main() -> None:
    url = "http://127.0.0.1"
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url=url) as client:
        await client.get("/orders/1")
        await client.get("/orders")
    for metric in registry.collect():
        for name, labels, value, *_ in metric.samples:
            if name == "http_requests_total":
                print(*labels.values(), f"{value:g}")
                #> GET /orders/{order_id} 500 1
                #> GET /orders 200 1


if __name__ == "__main__":
    asyncio.run(main())
