"""Pictures of the site that tell what they show, so that an old one is known without its pixels.

A PNG may hold texts: one of them is the hash of the page's part, of the styles and of the scripts.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

KEY = b"shows\0"
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunks(png: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Return the parts of a PNG: the kind of each, what it holds, and the whole of it."""
    at = len(SIGNATURE)
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length], png[at : at + 12 + length]
        at += 12 + length


def shows(picture: Path) -> str:
    """Return the hash of what a picture says that it shows; empty if it doesn't say."""
    if not picture.exists():
        return ""
    told = (data for kind, data, _ in chunks(picture.read_bytes()) if kind == b"tEXt")
    return next((data[len(KEY) :].decode() for data in told if data.startswith(KEY)), "")


def write(picture: Path, png: bytes, hashed: str) -> None:
    """Write a picture that says what it shows."""
    data = b"tEXt" + KEY + hashed.encode()
    text = struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))
    parts = [whole for _, _, whole in chunks(png)]
    picture.write_bytes(SIGNATURE + parts[0] + text + b"".join(parts[1:]))


def hash_of(*parts: str) -> str:
    """Return the hash of what a picture is made of."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
