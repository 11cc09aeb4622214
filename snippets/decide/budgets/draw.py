from snippets.drawing import label, path, picture, rectangle

# region its words, and its scale
LOOPS = {
    "open": ("good", "open loop: 50 requests a second, answered or not"),
    "closed": ("bad", "closed loop: the next request after the answer"),
}
TOP, FLOOR, MOST = 60.0, 200.0, 2000.0  # milliseconds at the top
# endregion


def draw(loops: dict[str, dict[str, float]]) -> str:
    """Draw a line for each loop through its percentiles."""
    shapes = [rectangle((40, TOP), 350, FLOOR - TOP, "lane")]
    for number, (loop, (kind, words)) in enumerate(LOOPS.items()):
        row = 14.0 + 20 * number
        shapes.append(path([(0, row - 4), (18, row - 4)], kind))
        shapes.append(label((24, row), words))
        points = list[tuple[float, float]]()
        for place, milliseconds in enumerate(loops[loop].values()):
            height = (FLOOR - TOP) * milliseconds / MOST
            points.append((50.0 + 65 * place, round(FLOOR - height, 1)))
        shapes.append(path(points, kind))
    for place, percentile in enumerate(loops["open"]):
        shapes.append(label((42.0 + 65 * place, FLOOR + 16), percentile))
    shapes.append(label((34, TOP + 12), "2 s", "end"))
    shapes.append(label((34, FLOOR), "0", "end"))
    last = ", ".join(f"{loop} {loops[loop]['99%']:g} ms" for loop in LOOPS)
    return picture(
        "Percentiles of the same pause, measured by two loops",
        f"At 99%: {last}.",
        height=FLOOR + 20,
        shapes=shapes,
    )
