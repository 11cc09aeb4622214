from snippets.drawing import label, picture, rectangle

# region its words
MEASURES = {
    "calculations": "calculations at once, of 5 that are asked for",
    "memory": "memory, as a multiple of that of one process",
}
# endregion


def draw(runs: dict[str, dict[str, float]]) -> str:
    """Draw a group of bars for each measure, with a bar for each run."""
    shapes: list[str] = []
    top = 0.0
    for measure, words in MEASURES.items():
        most = max(run[measure] for run in runs.values())
        shapes.append(label((0, top + 14), words))
        top += 20
        for name, run in runs.items():
            width = round(200 * run[measure] / most, 1)
            shapes.append(label((0, top + 13), name))
            shapes.append(rectangle((90, top + 1), width, 15, "good"))
            shapes.append(label((96 + width, top + 13), f"{run[measure]:g}"))
            top += 20
        top += 14
    told = ", ".join(f"{name} {run['memory']:g}" for name, run in runs.items())
    return picture(
        "Calculations at once and memory of 1, 2 and 4 processes",
        f"Memory as a multiple of that of one process: {told}.",
        height=top - 14,
        shapes=shapes,
    )
