import itertools

from snippets.drawing import label, path, picture, rectangle

# region its words
WAYS = {
    "awaited": "await asyncio.sleep: the loop turns",
    "threaded": "time.sleep in a thread: the loop turns",
    "blocked": "time.sleep in the coroutine: nothing else runs",
}
# endregion


def draw(turns: dict[str, list[float]]) -> str:
    """Draw a lane for each way to sleep, with a line for each turn."""
    end = max(times[-1] for times in turns.values())
    shapes: list[str] = []
    for lane, (way, words) in enumerate(WAYS.items()):
        top = 46.0 * lane
        places = [round(400 * time / end, 1) for time in turns[way]]
        shapes.append(label((0, top + 14), words))
        shapes.append(rectangle((0, top + 20), 400, 18, "lane"))
        for left, right in itertools.pairwise(places):
            if (width := right - left) > 200:
                shapes.append(rectangle((left, top + 20), width, 18, "bad"))
        shapes += [path([(x, top + 20), (x, top + 38)], "good") for x in places]
    counts = ", ".join(f"{way} {len(times)}" for way, times in turns.items())
    return picture(
        "Turns of the event loop during three ways to sleep",
        f"Each line is a turn of the loop. Turns: {counts}.",
        height=46 * len(WAYS),
        shapes=shapes,
    )
