from snippets.drawing import bars, picture

TIME = {"time": "processor time, as a multiple of no tracing"}


def draw(ratios: dict[str, float]) -> str:
    """Draw a bar for each way to trace, as long as its processor time."""
    runs = {way: {"time": ratio} for way, ratio in ratios.items()}
    shapes, height = bars(TIME, runs, 150)
    told = ", ".join(f"{way} {ratio:g}" for way, ratio in ratios.items())
    return picture(
        "What tracing costs an endpoint that does nothing",
        f"As a multiple of no tracing: {told}.",
        height=height,
        shapes=shapes,
    )
