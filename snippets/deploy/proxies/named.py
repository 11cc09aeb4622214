# region imports
import asyncio

import httpx2
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

# endregion
app = FastAPI()
app.add_middleware(
    CORSMiddleware,
    allow_origins=["https://shop.example"],
    allow_credentials=True,
)


@app.get("/me")
async def read_me() -> str:
    return "ann"


# region main
async def may_read(origin: str) -> bool:
    """Tell whether a browser lets a page of an origin read the answer."""
    headers = {"Origin": origin, "Cookie": "session=1"}
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app), base_url="http://accounts.example"
    ) as client:
        told = (await client.get("/me", headers=headers)).headers
    allowed = told.get("Access-Control-Allow-Origin") == origin
    return allowed and told["Access-Control-Allow-Credentials"] == "true"


def main() -> None:
    for origin in ("https://shop.example", "https://evil.example"):
        print(origin, asyncio.run(may_read(origin)))
        #> https://shop.example True
        #> https://evil.example False


if __name__ == "__main__":
    main()
# endregion
