"""A registry on loopback, which serves a folder's wheels and tells when each was uploaded."""

import http.server
import json
import os
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path

LIST = "application/vnd.pypi.simple.v1+json"


class Registry(http.server.SimpleHTTPRequestHandler):
    """A registry of the files of a folder, whose lists are in JSON."""

    def guess_type(self, path: str | os.PathLike[str]) -> str:
        """Return the type of a list, or of a wheel."""
        return "application/zip" if str(path).endswith(".whl") else LIST

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(folder: Path, ages: dict[str, timedelta]) -> Iterator[str]:
    """Serve the wheels that have an age, and give the address; the lists go into the folder."""
    lists, now = defaultdict[str, list[dict[str, object]]](list), datetime.now(UTC)
    for file, age in ages.items():
        told = {"filename": file, "url": f"/{file}", "upload-time": f"{now - age:%Y-%m-%dT%TZ}"}
        digest = sha256((folder / file).read_bytes()).hexdigest()
        lists[file.partition("-")[0]].append({**told, "hashes": {"sha256": digest}})
    for name, files in lists.items():
        (folder / name).mkdir()
        listed = {"meta": {"api-version": "1.1"}, "name": name, "files": files}
        (folder / name / "index.html").write_text(json.dumps(listed))
    handler = partial(Registry, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
