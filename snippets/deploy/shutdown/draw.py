from snippets.drawing import label, path, picture, rectangle

LEFT, WIDTH = 70, 325  # where the time begins, and how wide it is


# region the lane of one part
def lane(part: str, top: float, seconds: float, longest: float) -> list[str]:
    """Draw a part's name, its lane, and where in it the part ends."""
    late = "bad" if seconds == longest else "good"
    end = LEFT + round(WIDTH * seconds / longest, 1)
    right = seconds > longest / 2
    return [
        label((0, top + 13), part),
        rectangle((LEFT, top), WIDTH, 17, "lane"),
        rectangle((LEFT, top), end - LEFT, 17, late),
        path([(end, top), (end, top + 17)], late),
        label(
            (end - 6 if right else end + 6, top + 13),
            f"{seconds:g}",
            "end" if right else "",
        ),
    ]


# endregion
def draw(runs: dict[str, dict[str, float]]) -> str:
    """Draw for each file a lane from SIGTERM on for each of its parts."""
    longest = max(max(run.values()) for run in runs.values())
    shapes: list[str] = []
    top = 0.0
    for name, run in runs.items():
        shapes.append(label((0, top + 14), f"{name}, in seconds after SIGTERM"))
        for part, seconds in run.items():
            top += 22
            shapes += lane(part, top, seconds, longest)
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
