"""Hold a picture against its data, and its data against a fresh run."""

import json
from collections.abc import Callable
from typing import Any

from tests.engine.pages import SNIPPETS, RefusedError

UPDATE = "Run `make update` and look at the picture"


def hold(
    stem: str,
    fresh: dict[str, Any],
    shape: Callable[[dict[str, Any]], Any],
    draw: Callable[[dict[str, Any]], str],
    updating: bool,
) -> None:
    """Refuse data whose shape a run no longer gives, and a picture that isn't drawn from it.

    Two runs never take the same time, so data is compared by its shape: what the page says of it.
    """
    data, svg = (SNIPPETS / f"{stem}{suffix}" for suffix in (".json", ".svg"))
    if updating:
        data.write_text(text(fresh))
        svg.write_text(draw(fresh))
    recorded = json.loads(data.read_text())
    if shape(recorded) != shape(fresh):
        reason = f"the data is stale: it shows {shape(recorded)}, a run gives {shape(fresh)}"
        raise RefusedError(data, 1, reason, UPDATE)
    pairs = zip(svg.read_text().splitlines(), draw(recorded).splitlines(), strict=False)
    line = next((n for n, (is_, drawn) in enumerate(pairs, 1) if is_ != drawn), 1)
    if svg.read_text() != draw(recorded):
        raise RefusedError(svg, line, f"it isn't what {data.name} draws", UPDATE)


def text(data: dict[str, Any]) -> str:
    """Return data as JSON with a line for each of its parts."""
    rows = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in data.items())
    return f"{{\n{rows}\n}}\n"
