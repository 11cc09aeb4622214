"""Wheels that a test builds: with metadata that it decides, or of what is installed here."""

import re
import zipfile
from importlib import metadata, util
from pathlib import Path

TAGS = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
NOT_PACKED = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"}


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


def pack(name: str, folder: Path) -> Path:
    """Write a wheel of an installed package into a folder, and return it.

    It holds the package's own files, not its programs, and fits this Python and this system.
    Their bytecode comes along, valid wherever it is installed, so that no import compiles them.
    """
    package = metadata.distribution(name)
    tags = re.findall(r"^Tag: (.+)$", package.read_text("WHEEL") or "", re.MULTILINE)
    parts = (
        ".".join(sorted(set(part))) for part in zip(*(t.split("-") for t in tags), strict=True)
    )
    known = "-".join([name.replace("-", "_"), package.version, *parts])
    wheel = folder / f"{known}.whl"
    with zipfile.ZipFile(wheel, "w") as packed:
        for file in sorted(package.files or [], key=str):
            if file.parts[0] == ".." or file.suffix == ".pyc" or file.name in NOT_PACKED:
                continue
            source = Path(str(package.locate_file(file)))
            packed.writestr(zipfile.ZipInfo(str(file)), source.read_bytes())
            if file.suffix == ".py" and (told := bytecode(source)):
                cached = util.cache_from_source(str(file))
                packed.writestr(zipfile.ZipInfo(cached), told)
            if file.name == "METADATA":
                record = f"{file.parent}/RECORD"
        packed.writestr(zipfile.ZipInfo(record), "")
    return wheel


def bytecode(source: Path) -> bytes | None:
    """Return the bytecode beside an installed module, valid in any place and at any age.

    There is none where it is missing or of another source.
    """
    cached = Path(util.cache_from_source(str(source)))
    told, file = cached.read_bytes() if cached.exists() else b"", source.stat()
    age = (int(file.st_mtime) & 0xFFFFFFFF).to_bytes(4, "little")
    if told[:16] != util.MAGIC_NUMBER + bytes(4) + age + file.st_size.to_bytes(4, "little"):
        return None
    unchecked = (1).to_bytes(4, "little")  # by PEP 552: of a hash, which no import compares
    return told[:4] + unchecked + util.source_hash(source.read_bytes()) + told[16:]
