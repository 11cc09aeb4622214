import asyncio
from collections.abc import AsyncIterator

from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from fastapi.sse import EventSourceResponse

app = FastAPI()
PAGE = """<progress id="bar" value="0" max="3"></progress>
<script>
  const source = new EventSource("/progress");
  source.onmessage = (event) => {
    const { done, of } = JSON.parse(event.data);
    document.getElementById("bar").value = done;
    if (done === of) source.close();
  };
</script>"""


@app.get("/", response_class=HTMLResponse)
async def page() -> str:
    return PAGE


@app.get("/progress", response_class=EventSourceResponse)
async def progress() -> AsyncIterator[dict[str, int]]:
    for done in (1, 2, 3):
        await asyncio.sleep(1)  # stands for a part of the job
        yield {"done": done, "of": 3}
