from snippets.drawing import bars, picture

# region its words
MEASURES = {
    "calculations": "calculations at once, of 5 that are asked for",
    "memory": "memory, as a multiple of that of one process",
}
# endregion


def draw(runs: dict[str, dict[str, float]]) -> str:
    """Draw a group of bars for each measure, with a bar for each run."""
    shapes, height = bars(MEASURES, runs, 90)
    told = ", ".join(f"{name} {run['memory']:g}" for name, run in runs.items())
    return picture(
        "Calculations at once and memory of 1, 2 and 4 processes",
        f"Memory as a multiple of that of one process: {told}.",
        height=height,
        shapes=shapes,
    )
