from snippets.drawing import label, picture, rectangle

MEASURES = {
    "calls": "calls that wait at once, of 40",
    "memory": "memory, as a multiple of one WSGI process",
    "processor": "processor time of a call, as a multiple of WSGI's",
}


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
    counts = ", ".join(f"{name} {run['calls']:g}" for name, run in runs.items())
    return picture(
        "Calls that wait at once, memory and processor time of four servers",
        f"Calls that wait at once, of 40: {counts}.",
        height=top - 14,
        shapes=shapes,
    )
