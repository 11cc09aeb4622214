from snippets.drawing import bars, picture

# region its words
MEASURES = {
    "calls": "calls that wait at once, of 40",
    "memory": "memory, as a multiple of one WSGI process",
    "processor": "processor time of a call, as a multiple of WSGI's",
}
# endregion


def draw(runs: dict[str, dict[str, float]]) -> str:
    """Draw a group of bars for each measure, with a bar for each server."""
    shapes, height = bars(MEASURES, runs, 130)
    held = {server: run["calls"] for server, run in runs.items()}
    counts = ", ".join(f"{server} {calls:g}" for server, calls in held.items())
    return picture(
        "Calls that wait at once, memory and processor time of four servers",
        f"Calls that wait at once, of 40: {counts}.",
        height=height,
        shapes=shapes,
    )
