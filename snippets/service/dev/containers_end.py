"""Wait for SIGTERM in the folder of a storage, then end and remove all that is in it.

It runs as a program of its own, which outlives the one that fills the folder.
"""

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

LEFT = [
    *["*/libpod_parent/conmon", "libpod_parent/conmon"],
    *["*/libpod_parent", "libpod_parent"],
]
"""Groups of processes that podman leaves behind, empty, in both versions."""


def environment(folder: Path) -> dict[str, str]:
    """Return what sends buildah and podman to a folder, with all that they keep."""
    return {
        "CONTAINERS_CONF": f"{folder}/containers.conf",
        "CONTAINERS_STORAGE_CONF": f"{folder}/storage.conf",
        "DISABLE_HC_SYSTEMD": "true",  # health is asked for by `podman healthcheck run`
        "TMPDIR": f"{folder}/tmp",  # noqa: S108  the folder is this user's alone
        "XDG_CACHE_HOME": f"{folder}/u",
        "XDG_CONFIG_HOME": f"{folder}/u",
        "XDG_DATA_HOME": f"{folder}/u",
        "XDG_RUNTIME_DIR": f"{folder}/u",
    }


def processes(folder: Path) -> dict[int, str]:
    """Return what was sent to the folder, and all that it started, by number."""
    found, children = set[int](), dict[int, list[int]]()
    names = dict[int, str]()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended, or is someone else's
            number = int(process.name)
            name, _, rest = (process / "stat").read_text().rpartition(") ")
            names[number] = name.partition("(")[2]
            children.setdefault(int(rest.split()[1]), []).append(number)
            sent = f"={folder}/".encode() in (process / "environ").read_bytes()
            if sent or os.readlink(process / "root").startswith(f"{folder}/"):
                found.add(number)
    todo = list(found)
    while todo:
        new = set(children.get(todo.pop(), [])) - found
        found |= new
        todo += new
    return {number: names[number] for number in found}


def kill(folder: Path, *names: str) -> None:
    """Kill the processes of the folder, all or those of some programs."""
    for number, name in processes(folder).items():
        if not names or name in names:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)


def tell(folder: Path, *command: str, seconds: float | None = 5) -> None:
    """Run a command for the folder, and go on when it fails: what it left is next."""
    with contextlib.suppress(subprocess.SubprocessError):
        subprocess.run(
            command,
            env={**os.environ, **environment(folder)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=seconds,
        )


def end(folder: Path) -> None:
    """End the folder's processes and containers, and remove what it holds."""
    kill(folder, "buildah", "podman")
    tell(folder, "podman", "rm", "--all", "--force", "--time=0")
    kill(folder)
    for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
        if line.split()[1].startswith(f"{folder}/"):
            tell(folder, "umount", "--lazy", line.split()[1])
    for pattern in LEFT:
        for group in Path("/sys/fs/cgroup").glob(pattern):
            with contextlib.suppress(OSError):  # others have containers in it
                group.rmdir()
    inside = [str(path) for path in folder.iterdir()]
    if os.geteuid():  # some files belong to users of the containers
        tell(folder, "buildah", "unshare", "rm", "-rf", *inside, seconds=None)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    signal.sigwait([signal.SIGTERM])
    if os.fork() == 0:
        os.setsid()  # a slow disk may take longer than the keeper waits
        end(Path.cwd())
        os._exit(0)
    os.wait()
