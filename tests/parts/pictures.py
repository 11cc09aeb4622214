"""Hold a picture against its data, and its data against a fresh run."""

import json
from collections.abc import Callable
from typing import Any

from tests.engine.pages import SNIPPETS, RefusedError

UPDATE = "Run `make update` and look at the picture"


def hold_data(
    stem: str,
    fresh: dict[str, Any],
    shape: Callable[[dict[str, Any]], Any],
    wanted: dict[str, Any],
    updating: bool,
) -> None:
    """Refuse data that hasn't the shape of a run.

    Two runs never take the same time, so data is compared by its shape: what the page says of it.
    An update leaves data as it is that has the shape, and records data that is an empty `{}`.
    """
    data = SNIPPETS / f"{stem}.json"
    told = json.loads(data.read_text())
    if updating and (not told or shape(told) != wanted):
        rows = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in fresh.items()]
        data.write_text("{\n" + ",\n".join(rows) + "\n}\n")
    recorded = shape(json.loads(data.read_text()))
    if recorded != wanted:
        reason = f"the data is stale: it shows {recorded}, a run gives {wanted}"
        raise RefusedError(data, 1, reason, UPDATE)


def hold_picture(stem: str, draw: Callable[[dict[str, Any]], str], updating: bool) -> None:
    """Refuse a picture that isn't drawn from its data."""
    data, picture = SNIPPETS / f"{stem}.json", SNIPPETS / f"{stem}.svg"
    drawn = draw(json.loads(data.read_text()))
    if updating:
        picture.write_text(drawn)
    shown = picture.read_text()
    if shown != drawn:
        pairs = enumerate(zip(shown.splitlines(), drawn.splitlines(), strict=False), start=1)
        line = next((number for number, (is_, be) in pairs if is_ != be), 1)
        raise RefusedError(picture, line, f"it isn't what {data.name} draws", UPDATE)
