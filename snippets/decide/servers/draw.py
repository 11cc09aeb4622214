from snippets.drawing import label, picture, rectangle

# region its words
MEASURES = {
    "calls": "calls that wait at once, of 40",
    "memory": "memory, as a multiple of one WSGI process",
    "processor": "processor time of a call, as a multiple of WSGI's",
}
# endregion


def draw(runs: dict[str, dict[str, float]]) -> str:
    """Draw a group of bars for each measure, with a bar for each server."""
    shapes: list[str] = []
    top = 0.0
    for measure, words in MEASURES.items():
        most = max(run[measure] for run in runs.values())
        shapes.append(label((0, top + 14), words))
        top += 20
        for server, run in runs.items():
            width = round(200 * run[measure] / most, 1)
            shapes.append(label((0, top + 13), server))
            shapes.append(rectangle((130, top + 1), width, 15, "good"))
            shapes.append(label((136 + width, top + 13), f"{run[measure]:g}"))
            top += 20
        top += 14
    held = {server: run["calls"] for server, run in runs.items()}
    counts = ", ".join(f"{server} {calls:g}" for server, calls in held.items())
    return picture(
        "Calls that wait at once, memory and processor time of four servers",
        f"Calls that wait at once, of 40: {counts}.",
        height=top - 14,
        shapes=shapes,
    )
