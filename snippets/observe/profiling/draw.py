from snippets.drawing import label, picture, rectangle

WIDTH, ROW = 400.0, 22.0


# region where each call begins, and how wide it is
def places(stacks: dict[str, float]) -> dict[str, tuple[float, float]]:
    """Return both for each call, as shares of all samples."""
    found = dict[str, tuple[float, float]]()
    left = 0.0
    for stack, share in sorted(stacks.items()):
        names = stack.split(";")
        for depth in range(len(names)):
            call = ";".join(names[: depth + 1])
            start, width = found.get(call, (left, 0.0))
            found[call] = start, width + share
        left += share
    return found


# endregion
def draw(stacks: dict[str, float]) -> str:
    """Draw a box for each call, as wide as its share of the samples."""
    calls = places(stacks)
    deepest = max(call.count(";") for call in calls)
    worst = max(stacks, key=lambda stack: stacks[stack])
    shapes = list[str]()
    for call, (start, share) in calls.items():
        x, y = round(WIDTH * start, 1), ROW * (deepest - call.count(";"))
        width = round(WIDTH * share, 1)
        kind = "bad" if call == worst else "good"
        shapes.append(rectangle((x, y), max(width - 1, 0.5), ROW - 2, kind))
        if width > 60:
            words = f"{call.rpartition(';')[2]} {share:.0%}"
            shapes.append(label((x + 4, y + 14), words))
    return picture(
        "Where the processor time of an invoice goes",
        f"{worst.replace(';', ' calls ')}: {stacks[worst]:.0%} of the samples.",
        height=ROW * (deepest + 1),
        shapes=shapes,
    )
