from snippets.drawing import label, path, picture, rectangle

Moment = dict[str, float]


def draw(runs: dict[str, list[Moment]]) -> str:
    """Draw for each run the connections in use, the calls that wait, and those that failed."""
    end = max(seen[-1]["time"] for seen in runs.values())
    shapes: list[str] = []
    for lane, (name, seen) in enumerate(runs.items()):
        floor = 100.0 * lane + 92
        failed = seen[-1]["failed"]
        shapes.append(label((0, floor - 78), f"{name}: {failed:g} failed"))
        shapes.append(rectangle((0, floor - 70), 400, 70, "lane"))
        for row, kind in ("using", "good"), ("waiting", "warn"), ("failed", "bad"):
            points = [(0.0, floor)]
            for moment in seen:
                x, y = 400 * moment["time"] / end, floor - 1.7 * moment[row]
                points += [(round(x, 1), points[-1][1]), (round(x, 1), round(y, 1))]
            shapes.append(path(points, kind))
    failures = [f"{name}: {seen[-1]['failed']:g} failed" for name, seen in runs.items()]
    return picture(
        "Connections in use, calls that wait and calls that failed, over time",
        ", ".join(failures),
        height=100 * len(runs),
        shapes=shapes,
    )
