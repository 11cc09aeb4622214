from snippets.drawing import label, path, picture, rectangle

# region the legend
ROWS = {"using": "good", "waiting": "warn", "failed": "bad"}
WORDS = {
    "using": "connections in use",
    "waiting": "calls waiting",
    "failed": "calls failed",
}


def legend() -> list[str]:
    """Say which line is which."""
    shapes: list[str] = []
    for place, (row, kind) in enumerate(ROWS.items()):
        left = 0 if place == 0 else 40 + 115 * place
        shapes.append(path([(left, 10), (left + 18, 10)], kind))
        shapes.append(label((left + 24, 14), WORDS[row]))
    return shapes


# endregion


def draw(runs: dict[str, list[dict[str, float]]]) -> str:
    """Draw for each run who uses a connection, who waits, and who failed."""
    end = max(seen[-1]["time"] for seen in runs.values())
    shapes = legend()
    for lane, (name, seen) in enumerate(runs.items()):
        floor = 110.0 * lane + 124
        used = max(moment["using"] for moment in seen)
        words = f"{name}: {used:g} in use, {seen[-1]['failed']:g} failed"
        shapes.append(label((0, floor - 86), words))
        shapes.append(rectangle((0, floor - 80), 400, 80, "lane"))
        for row, kind in ROWS.items():
            points = [(0.0, floor)]
            for moment in seen:
                x, y = 400 * moment["time"] / end, floor - 1.9 * moment[row]
                x, y = round(x, 1), round(y, 1)
                points += [(x, points[-1][1]), (x, y)]
            shapes.append(path(points, kind))
    last = {name: seen[-1] for name, seen in runs.items()}
    failures = [f"{run}: {now['failed']:g} failed" for run, now in last.items()]
    return picture(
        "Connections in use, calls that wait and calls that failed, over time",
        ", ".join(failures),
        height=110 * len(runs) + 20,
        shapes=shapes,
    )
