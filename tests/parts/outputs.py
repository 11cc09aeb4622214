"""Hold an output that a page shows against what a test saw."""

from pathlib import Path

from tests.engine.pages import SNIPPETS, RefusedError


def hold_lines(path: str, lines: list[str], updating: bool) -> None:
    """Refuse a shown output that isn't what was seen, or write it."""
    file = Path(SNIPPETS, path)
    if updating:
        file.write_text("\n".join(lines) + "\n")
    shown = file.read_text().splitlines()
    if shown != lines:
        pairs = enumerate(zip(shown, lines, strict=False), start=1)
        at = next((n for n, (is_, be) in pairs if is_ != be), min(len(shown), len(lines)))
        then, now = (each[at - 1] if each else "" for each in (shown, lines))
        reason = f"the page shows {then.strip()!r}, and now it is {now.strip()!r}"
        raise RefusedError(file, at, reason, "Run `make update` and read the diff")
