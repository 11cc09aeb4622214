"""Wheels that a test builds: libraries of which it decides the metadata."""

import zipfile
from pathlib import Path

TAGS = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def wheel(folder: Path, name: str, version: str, *, source: str = "", **fields: str) -> Path:
    """Write a pure wheel with one module into a folder, and return it.

    The fields go into its metadata: `Requires_Python=">=3.11"`.
    """
    about = f"{name}-{version}.dist-info"
    told = "".join(f"{key.replace('_', '-')}: {value}\n" for key, value in fields.items())
    files = {
        f"{name}.py": source,
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{told}",
        f"{about}/WHEEL": TAGS,
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{about}/RECORD"])
    file = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        for path, text in {**files, f"{about}/RECORD": record}.items():
            archive.writestr(zipfile.ZipInfo(path), text)  # of a fixed date: equal bytes
    return file
