import os
import socket
import time
from subprocess import Popen

import httpx2

COMMAND = "uvicorn orders:app --host=$HOST --port=$PORT"  # yours
PATH = "/orders"


def test_the_command_serves() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    told = {**os.environ, "HOST": "127.0.0.1", "PORT": port}
    command = ["sh", "-c", f"exec {COMMAND}"]
    server = Popen(command, env=told)  # noqa: S603  it is ours
    try:
        status = answer(server, f"http://127.0.0.1:{port}{PATH}")
    finally:
        server.terminate()
        server.wait(timeout=30)  # one that doesn't end is an error
    assert status == 200  # noqa: S101  it is a test


# region the first answer
def answer(server: Popen[bytes], url: str) -> int:
    """Return the status of the first answer, or 0 if none comes."""
    for _ in range(600):
        try:
            return httpx2.get(url, timeout=20).status_code
        except httpx2.ConnectError:
            if server.poll() is not None:
                break  # it ended
            time.sleep(0.1)  # it starts, for a minute at most
    return 0


# endregion
