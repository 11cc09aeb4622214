from snippets.drawing import label, path, picture, rectangle

# region its words, and its scale
LABELS = {"route": "good", "path": "bad"}
TOP, FLOOR = 20.0, 170.0
# endregion


def draw(series: dict[str, list[int]]) -> str:
    """Draw a line for each label through the series that it had made."""
    shapes = [rectangle((60, TOP), 330, FLOOR - TOP, "lane")]
    most, paths = max(series["path"]), series["paths"]
    for name, kind in LABELS.items():
        points = [
            (60 + 330 * asked / paths[-1], FLOOR - (FLOOR - TOP) * made / most)
            for asked, made in zip(paths, series[name], strict=True)
        ]
        shapes.append(path(points, kind))
    shapes.append(label((200, TOP + 45), "labelled by path", "end"))
    shapes.append(label((300, FLOOR - 8), "labelled by route", "end"))
    shapes.append(label((54, TOP + 12), f"{most}", "end"))
    shapes.append(label((54, FLOOR), "0 series", "end"))
    shapes.append(label((390, FLOOR + 16), f"{paths[-1]} paths", "end"))
    last = ", ".join(f"by {name} {series[name][-1]}" for name in LABELS)
    return picture(
        "Series of a service, by the paths that clients tried",
        f"After {paths[-1]} paths: {last}.",
        height=FLOOR + 20,
        shapes=shapes,
    )
