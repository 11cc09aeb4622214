"""Draw what was measured, as SVG that stands in a page.

Colours come from the page, by class, so that a picture follows the reader from light to dark.
"""

from collections.abc import Iterable, Mapping
from html import escape

Point = tuple[float, float]


def rectangle(corner: Point, width: float, height: float, kind: str) -> str:
    """Return a rectangle.

    Parameters:
        corner: Its upper left corner, in units of the picture, from the picture's own.
        width: In units of the picture.
        height: In units of the picture.
        kind: What it stands for: a class of the style sheet, such as `good` or `bad`.

    ```python title="drawing.py"
    from snippets.drawing import rectangle

    print(rectangle((0, 10), 4, 2.5, "good"))
    #> <rect x="0" y="10" width="4" height="2.5" class="good"/>
    ```
    """
    x, y = corner
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" class="{kind}"/>'


def path(points: Iterable[Point], kind: str) -> str:
    """Return a line through points.

    Parameters:
        points: In units of the picture.
        kind: What it stands for: a class of the style sheet.

    ```python title="drawing.py"
    from snippets.drawing import path

    print(path([(0, 0), (10, 0), (10, 5.5)], "bad"))
    #> <path d="M0 0L10 0L10 5.5" class="bad"/>
    ```
    """
    steps = "L".join(f"{x:g} {y:g}" for x, y in points)
    return f'<path d="M{steps}" class="{kind}"/>'


def label(corner: Point, words: str, kind: str = "") -> str:
    """Return a line of text.

    Parameters:
        corner: Where its base line begins, in units of the picture.
        words: The text, which is escaped.
        kind: How it is set: `end` where it ends at the corner instead.

    ```python title="drawing.py"
    from snippets.drawing import label

    print(label((0, 12), "a < b"))
    #> <text x="0" y="12" class="">a &lt; b</text>
    ```
    """
    x, y = corner
    return f'<text x="{x:g}" y="{y:g}" class="{kind}">{escape(words)}</text>'


def picture(
    title: str, description: str, height: float, shapes: Iterable[str]
) -> str:
    """Return a picture, 400 units wide, with its text alternative.

    Parameters:
        title: What it shows, for those who don't see it.
        description: What there is to see in it.
        height: In units.
        shapes: What to draw, from the back to the front.

    ```python title="drawing.py"
    from snippets.drawing import label, picture

    svg = picture("A word", "The word is yes.", 20, [label((0, 15), "yes")])
    print(svg.splitlines()[1])
    #> <title>A word</title>
    ```
    """
    lines = [
        f'<svg class="picture" role="img" viewBox="0 0 400 {height:g}">',
        f"<title>{escape(title)}</title>",
        f"<desc>{escape(description)}</desc>",
        *shapes,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def bars(
    measures: Mapping[str, str],
    runs: Mapping[str, Mapping[str, float]],
    left: float,
    most: float = 0,
) -> tuple[list[str], float]:
    """Return a group of bars for each measure, with a bar for each run, and their height.

    Parameters:
        measures: For each measure, the words above its bars.
        runs: For each run, the value of each measure.
        left: Where the bars begin, beside the names of the runs, in units of the picture.
        most: The value of the longest bar of all; without it, each measure has its own.

    ```python title="drawing.py"
    from snippets.drawing import bars

    shapes, height = bars({"calls": "calls"}, {"one": {"calls": 2}}, 40)
    print(shapes[2], height)
    #> <rect x="40" y="21" width="200" height="15" class="good"/> 40
    ```
    """
    shapes, top = list[str](), 0
    for measure, words in measures.items():
        longest = most or max(run[measure] for run in runs.values())
        shapes.append(label((0, top + 14), words))
        top += 20
        for name, run in runs.items():
            width, value = round(200 * run[measure] / longest, 1), run[measure]
            shapes.append(label((0, top + 13), name))
            shapes.append(rectangle((left, top + 1), width, 15, "good"))
            shapes.append(label((left + 6 + width, top + 13), f"{value:g}"))
            top += 20
        top += 14
    return shapes, top - 14


def connections(title: str, told: Mapping[str, Iterable[str]]) -> str:
    """Return a picture of who is connected to what: names on the left, and what they use.

    Parameters:
        title: What it shows, for those who don't see it.
        told: For each name on the left, those on the right.

    ```python title="drawing.py"
    from snippets.drawing import connections

    svg = connections("Parts", {"server": ["database"], "worker": ["database"]})
    print(svg.splitlines()[2])
    #> <desc>From server to database. From worker to database.</desc>
    ```
    """
    right = list(
        dict.fromkeys(name for names in told.values() for name in names)
    )
    height = 44 * max(len(told), len(right)) + 8
    lines, boxes, said = list[str](), list[str](), list[str]()

    def middle(number: int, names: int) -> float:
        return height * (number + 0.5) / names

    def box(left: float, centre: float, name: str) -> list[str]:
        words = label((left + 10, centre + 4), name)
        return [rectangle((left, centre - 14), 110, 28, "lane"), words]

    for row, (name, names) in enumerate(told.items()):
        start = middle(row, len(told))
        boxes += box(5, start, name)
        ends = [middle(right.index(other), len(right)) for other in names]
        lines += [path([(115, start), (285, end)], "good") for end in ends]
        said.append(f"From {name} to {', '.join(names)}.")
    for row, name in enumerate(right):
        boxes += box(285, middle(row, len(right)), name)
    return picture(title, " ".join(said), height, [*lines, *boxes])
