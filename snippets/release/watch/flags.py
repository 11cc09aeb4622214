"""Say which feature flags are past their date."""

import sys
import tomllib
from datetime import UTC, date, datetime
from pathlib import Path


def forgotten(file: Path, today: date) -> list[str]:
    """Return a remark on each flag that has no date, or is past it."""
    text, remarks = file.read_text(), list[str]()
    for name, flag in tomllib.loads(text).items():
        line = text.splitlines().index(f"[{name}]") + 1
        until, owner = flag.get("until"), flag["owner"]
        if until is None:
            why = f"has no date; let {owner} write `until`"
            remarks.append(f"{file}:{line}: {name} {why}")
        elif today > until:
            why = f"ended on {until}; let {owner} remove it"
            remarks.append(f"{file}:{line}: {name} {why}")
    return remarks


def main(files: list[str], today: date) -> None:
    """Hold the flags of some files against a day."""
    if found := [one for file in files for one in forgotten(Path(file), today)]:
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main(sys.argv[1:], datetime.now(UTC).date())
