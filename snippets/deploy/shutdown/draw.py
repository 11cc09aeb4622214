from snippets.drawing import label, path, picture, rectangle

LEFT, WIDTH = 70, 325  # where the time begins, and how wide it is


def draw(runs: dict[str, dict[str, float]]) -> str:
    """Draw for each file a lane from SIGTERM on for each of its parts."""
    longest = max(max(run.values()) for run in runs.values())
    shapes: list[str] = []
    top = 0.0
    for name, run in runs.items():
        shapes.append(label((0, top + 14), f"{name}, in seconds after SIGTERM"))
        for part, seconds in run.items():
            top += 22
            late = "bad" if seconds == longest else "good"
            end = LEFT + round(WIDTH * seconds / longest, 1)
            shapes.append(label((0, top + 13), part))
            shapes.append(rectangle((LEFT, top), WIDTH, 17, "lane"))
            shapes.append(rectangle((LEFT, top), end - LEFT, 17, late))
            shapes.append(path([(end, top), (end, top + 17)], late))
            right = seconds > longest / 2
            words = label(
                (end - 6 if right else end + 6, top + 13),
                f"{seconds:g}",
                "end" if right else "",
            )
            shapes.append(words)
        top += 36
    told = [
        f"{name}: " + ", ".join(f"{part} {run[part]:g}" for part in run)
        for name, run in runs.items()
    ]
    return picture(
        "When a stream, a request and a server end after SIGTERM",
        f"Seconds. {'. '.join(told)}.",
        height=top - 14,
        shapes=shapes,
    )
