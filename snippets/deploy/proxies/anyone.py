# region imports
import asyncio

import httpx2
import uvicorn
from fastapi import FastAPI, Request

# endregion
app = FastAPI()
server = uvicorn.Config(app, forwarded_allow_ips="*")


@app.get("/address")
async def read_address(request: Request) -> str:
    caller = request.client.host if request.client else "unknown"
    return f"{request.url.scheme} from {caller}"


# region main
async def ask(peer: str, said: str) -> str:
    transport = httpx2.ASGITransport(server.loaded_app, client=(peer, 1))
    headers = {"X-Forwarded-For": said, "X-Forwarded-Proto": "https"}
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://accounts.example"
    ) as client:
        answer = await client.get("/address", headers=headers)
    return str(answer.json())


def main() -> None:
    server.load()
    # The client wrote 203.0.113.9, and the proxy added whom it saw.
    print(asyncio.run(ask("127.0.0.1", "203.0.113.9, 192.0.2.1")))
    #> https from 203.0.113.9
    # A client that goes around the proxy is believed too.
    print(asyncio.run(ask("192.0.2.1", "203.0.113.9")))
    #> https from 203.0.113.9


if __name__ == "__main__":
    main()
# endregion
