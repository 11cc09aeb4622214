import sys
import tomllib
from pathlib import Path

PARTS = ["question", "default", "depends", "later", "page"]
OPEN = {"", "?", "-", "none", "open", "tbd", "todo", "to be decided"}


def unsettled(file: str, text: str) -> list[str]:
    """Return where a question lacks a part, why, and what to do."""
    questions, found = tomllib.loads(text), []
    if not questions:
        found.append(f"{file}:1: it has no question")
    for name, told in questions.items():
        for part in PARTS:
            if str(told.get(part, "")).strip(" .").lower() in OPEN:
                line = text.partition(f"[{name}]")[0].count("\n") + 1
                cure = "Write what holds until somebody decides otherwise"
                found.append(f"{file}:{line}: [{name}] has no {part}. {cure}.")
    return found


def main() -> None:
    if not sys.argv[1:]:
        sys.exit("Name the file, as in: python settled.py questions.toml")
    for file in sys.argv[1:]:
        if refused := unsettled(file, Path(file).read_text()):
            sys.exit("\n".join(refused))


if __name__ == "__main__":
    main()
