from snippets.drawing import bars, picture


def draw(runs: dict[str, dict[str, float]]) -> str:
    """Draw for each file a bar for each of its parts, all on one scale."""
    parts: dict[str, dict[str, float]] = {}
    for name, run in runs.items():
        for part, seconds in run.items():
            parts.setdefault(part, {})[name] = seconds
    words = {name: f"{name}, in seconds after SIGTERM" for name in runs}
    longest = max(max(run.values()) for run in runs.values())
    shapes, height = bars(words, parts, 70, longest)
    told = [
        f"{name}: " + ", ".join(f"{part} {run[part]:g}" for part in run)
        for name, run in runs.items()
    ]
    return picture(
        "When a stream, a request and a server end after SIGTERM",
        f"Seconds. {'. '.join(told)}.",
        height=height,
        shapes=shapes,
    )
