import httpx2
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp


def count_series(registry: CollectorRegistry) -> int:
    return sum(len(metric.samples) for metric in registry.collect())


async def check_series(
    app: ASGIApp, registry: CollectorRegistry, path: str
) -> None:
    """Raise if a client makes series by a path such as `/orders/{}`."""
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    url = "http://127.0.0.1"
    async with httpx2.AsyncClient(transport=transport, base_url=url) as client:

        async def invent(number: int) -> None:
            for asked in (f"/{number}", path.format(number)):
                await client.get(asked)
            await client.request(f"M{number}", path.format(1))

        await invent(1)
        before = count_series(registry)
        for number in range(2, 12):
            await invent(number)
    made = count_series(registry) - before
    assert not made, f"a client makes {made} series"  # noqa: S101  a test
