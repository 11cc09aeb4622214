from snippets.drawing import label, picture, rectangle

WIDTH, ROW = 400.0, 22.0


def draw(stacks: dict[str, float]) -> str:
    """Draw a box for each call, as wide as its share of the samples."""
    starts, widths = dict[str, float](), dict[str, float]()
    left = 0.0
    for stack, share in sorted(stacks.items()):
        names = stack.split(";")
        for depth in range(len(names)):
            call = ";".join(names[: depth + 1])
            starts.setdefault(call, left)
            widths[call] = widths.get(call, 0) + share
        left += share
    deepest = max(call.count(";") for call in starts)
    worst = max(stacks, key=lambda stack: stacks[stack])
    shapes = list[str]()
    for call, start in starts.items():
        x, y = round(WIDTH * start, 1), ROW * (deepest - call.count(";"))
        width = round(WIDTH * widths[call], 1)
        kind = "bad" if call == worst else "good"
        shapes.append(rectangle((x, y), max(width - 1, 0.5), ROW - 2, kind))
        if width > 60:
            words = f"{call.rpartition(';')[2]} {widths[call]:.0%}"
            shapes.append(label((x + 4, y + 14), words))
    return picture(
        "Where the processor time of an invoice goes",
        f"{worst.replace(';', ' calls ')}: {stacks[worst]:.0%} of the samples.",
        height=ROW * (deepest + 1),
        shapes=shapes,
    )
