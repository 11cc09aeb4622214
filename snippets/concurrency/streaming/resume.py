from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import FastAPI, Header
from fastapi.sse import EventSourceResponse, ServerSentEvent

app = FastAPI()
NEWS = ["packed", "sent", "delivered"]  # what happened to the order so far


@app.get("/orders/7/news", response_class=EventSourceResponse)
async def news(
    last_event_id: Annotated[int, Header(ge=0)] = 0,
) -> AsyncIterator[ServerSentEvent]:
    for number, line in enumerate(NEWS[last_event_id:], last_event_id + 1):
        yield ServerSentEvent(data=line, id=str(number))
