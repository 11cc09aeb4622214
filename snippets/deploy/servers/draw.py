from typing import Any

from snippets.drawing import label, path, picture, rectangle

# region its words, and its scale
LINES = {
    "calculates": ("good", "calls a second where it calculates"),
    "waits": ("bad", "calls a second where it waits"),
    "memory": ("warn", "memory"),
}
LEFT, TOP, FLOOR, STEP, UNIT = 40.0, 66.0, 216.0, 100.0, 35.0
# endregion


def draw(told: dict[str, Any]) -> str:
    """Draw a line for each measure, as a multiple of that of one process."""
    shapes = [rectangle((LEFT, TOP), 350, FLOOR - TOP, "lane")]
    for row, (name, (kind, words)) in enumerate(LINES.items()):
        shapes.append(path([(0, 10 + 18 * row), (18, 10 + 18 * row)], kind))
        shapes.append(label((24, 14 + 18 * row), words))
        points = [
            (LEFT + 25 + STEP * place, round(FLOOR - UNIT * times, 1))
            for place, times in enumerate(told[name])
        ]
        shapes.append(path(points, kind))
    for number in range(1, len(told["waits"]) + 1):
        across, up = LEFT + 22 + STEP * (number - 1), FLOOR - UNIT * number + 4
        words = f"{number}" if number > 1 else "1 process"
        shapes.append(label((across, FLOOR + 16), words))
        shapes.append(label((LEFT - 6, up), f"{number} x", "end"))
    ends = [f"{LINES[name][1]}, {told[name][-1]:g} times" for name in LINES]
    where = f"{len(told['waits'])} processes on {told['processors']} processors"
    return picture(
        "Calls a second and memory, by number of processes",
        f"By {where}: {'; '.join(ends)}.",
        height=FLOOR + 20,
        shapes=shapes,
    )
