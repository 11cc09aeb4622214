from snippets.drawing import label, picture, rectangle


def draw(ratios: dict[str, float]) -> str:
    """Draw a bar for each way to trace, as long as its processor time."""
    most = max(ratios.values())
    shapes = [label((0, 14), "processor time, as a multiple of no tracing")]
    for row, (way, ratio) in enumerate(ratios.items()):
        top = 20.0 + 20 * row
        width = round(200 * ratio / most, 1)
        shapes.append(label((0, top + 13), way))
        shapes.append(rectangle((150, top + 1), width, 15, "good"))
        shapes.append(label((156 + width, top + 13), f"{ratio:g}"))
    told = ", ".join(f"{way} {ratio:g}" for way, ratio in ratios.items())
    return picture(
        "What tracing costs an endpoint that does nothing",
        f"As a multiple of no tracing: {told}.",
        height=20 * len(ratios) + 20,
        shapes=shapes,
    )
