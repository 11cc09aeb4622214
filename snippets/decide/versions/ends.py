"""Say which Pythons of a project have ended, or end soon."""

import re
import sys
import tomllib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

# region what is read, and how
NOTICE = timedelta(days=90)
WANTED = {"ends": r"20\d\d-(?:0[1-9]|1[0-2])", "source": r"https://\S+"}


def read(path: Path) -> dict[str, str]:
    """Return the last month of each Python, or raise `ValueError`."""
    text = path.read_text()
    pythons = tomllib.loads(text)
    for version, told in pythons.items():
        for key, pattern in WANTED.items():
            if not re.fullmatch(pattern, str(told.get(key))):
                line = text[: text.index(f'["{version}"]')].count("\n") + 1
                cure = "Look it up, and link to where it says so."
                refusal = f"{path}:{line}: {version} has no {key}. {cure}"
                raise ValueError(refusal)
    return {version: told["ends"] for version, told in pythons.items()}


# endregion


def ending(ends: dict[str, str], floor: str, today: date) -> list[str]:
    """Return a remark on each Python that ended, or ends soon."""
    if floor not in ends:
        return [f"No end is recorded of Python {floor}. Look it up"]
    soon = f"{today + NOTICE:%Y-%m}"
    kept = [version for version in ends if numbers(version) >= numbers(floor)]
    late = [version for version in kept if ends[version] < soon]
    return [f"Python {v} gets no fixes after {ends[v]}" for v in late]


def numbers(version: str) -> list[int]:
    """Return a version as it is compared."""
    return [int(part) for part in version.split(".")]


def main(files: list[str], today: date) -> list[str]:
    """Hold projects, named after the file with the dates, against a day."""
    if not files[1:]:
        return ["Name the file with the dates, then each project"]
    ends, found = read(Path(files[0])), list[str]()
    for file in files[1:]:
        project = tomllib.loads(Path(file).read_text())["project"]
        floor = project["requires-python"].removeprefix(">=")
        found += ending(ends, floor, today)
    return found


if __name__ == "__main__":
    if remarks := main(sys.argv[1:], datetime.now(UTC).date()):
        sys.exit("\n".join(remarks))
