"""A base image made of the Python that runs this, where no registry can be reached.

It holds what the Dockerfile asks of its base, and little else: Python with pip, a
shell, and the libraries that wheels for Linux may expect (PEP 600).
"""

import ensurepip
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from fnmatch import fnmatch
from pathlib import Path

PROGRAMS = [Path("/bin/sh"), Path("/bin/chmod")]
# What glibc and gcc give to every wheel.
LIBRARIES = ["dl", "gcc_s", "m", "pthread", "resolv", "rt", "stdc++", "util"]
LEFT_OUT = [
    *["*.opt-?.pyc", "EXTERNALLY-MANAGED", "__phello__", "_tkinter*", "config-*"],
    *["dist-packages", "ensurepip", "idlelib", "lib2to3", "site-packages", "test"],
    *["tests", "tkinter", "turtledemo", "_test*.so", "pydoc_data"],
]
WHEELS = [
    Path(ensurepip.__file__).parent / "_bundled",
    Path("/usr/share/python-wheels"),  # Debian's
]


def write_archive(path: Path) -> str:
    """Write the image's files as a tar archive; return the line that sets its PATH.

    Raises `FileNotFoundError` where a part is missing, such as Debian's python3-venv.
    """
    python = Path(sys._base_executable).resolve()  # type: ignore[attr-defined]  # as venv does
    library = Path(sysconfig.get_path("stdlib"))
    programs = [python, *PROGRAMS]
    extensions = filter(is_needed, library.glob("lib-dynload/*.so"))
    with tarfile.open(path, "w", dereference=True) as archive:
        for file in [*programs, *shared_libraries([*programs, *extensions]), library]:
            archive.add(file, filter=readable)
        if python.name != "python3":
            link = tarfile.TarInfo(str(python.with_name("python3")))
            link.type, link.linkname = tarfile.SYMTYPE, python.name
            archive.addfile(link)
        with zipfile.ZipFile(pip_wheel()) as wheel:
            for name in wheel.namelist():
                entry = tarfile.TarInfo(f"{library}/{name}")
                entry.size = wheel.getinfo(name).file_size
                archive.addfile(entry, wheel.open(name))
        temporary = tarfile.TarInfo("tmp")
        temporary.type, temporary.mode = tarfile.DIRTYPE, 0o1777
        archive.addfile(temporary)
    return f"ENV PATH={python.parent}:/usr/bin:/bin"


def is_needed(path: Path) -> bool:
    """Tell whether a service could need a file."""
    return not any(fnmatch(path.name, pattern) for pattern in LEFT_OUT)


def readable(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Let everybody read a file that root owns; leave out what no service needs."""
    if not is_needed(Path(entry.name)):
        return None
    entry.uid = entry.gid = 0
    entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
    return entry


def pip_wheel() -> Path:
    """Return the wheel of pip that comes with Python."""
    for folder in WHEELS:
        for wheel in folder.glob("pip-*.whl"):
            return wheel
    raise FileNotFoundError("pip-*.whl: install the package python3-venv")


def shared_libraries(files: list[Path]) -> set[Path]:
    """Return what the loader opens for these files, and what wheels expect beside."""
    told = subprocess.run(
        ["ldd", *files],
        check=False,  # it fails on a program without libraries
        capture_output=True,
        text=True,
    )
    found = {Path(path) for path in re.findall(r"(/\S+) \(0x", told.stdout)}
    (system,) = {path.parent for path in found if path.name.startswith("libc.so")}
    for name in LIBRARIES:
        found.update(system.glob(f"lib{name}.so.[0-9]"))
    return found
