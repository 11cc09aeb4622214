# region imports
import asyncio
import os
import signal

import httpx2

# endregion


async def check(url: str, pid: int) -> None:
    """Refuse a server that cuts or keeps its stream at SIGTERM, or goes on."""
    async with httpx2.AsyncClient(timeout=30) as client:
        async with asyncio.timeout(60), client.stream("GET", url) as answer:
            lines = answer.aiter_lines()
            await anext(lines)  # the stream is open
            os.kill(pid, signal.SIGTERM)
            async for _ in lines:
                pass  # it raises `RemoteProtocolError` if cut
        for _ in range(20):
            await asyncio.sleep(0.5)  # the server closes its door soon
            try:
                async with client.stream("GET", url):
                    pass
            except httpx2.NetworkError:
                return  # it is refused, or reset
    late = "it takes requests 10 seconds after SIGTERM"
    raise AssertionError(late)
