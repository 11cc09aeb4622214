"""buildah and podman with a storage of their own, which ends with this process."""

import configparser
import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from dev import base_image, containers_end, system
from dev.folders import DISK, MEMORY, OWNERS, has_room, temporary
from dev.keeper import kept

CGROUP_2 = Path("/sys/fs/cgroup/unified/cgroup.controllers")  # beside version 1
DRIVERS = ["overlay", "vfs"]  # the first copies nothing, the second works anywhere
RUNTIMES = ["crun", "runc"]
LIMITS = ["nofile=1024:1024", "nproc=1024:1024"]
LOCAL = "localhost/base"
ROOM = 4 * 2**30
"""Bytes that must be free where images go, some times what the service's take."""
PROBE = "packaging"  # small, and what the build installs needs it
SERVERS = {"docker.io": "registry-1.docker.io"}
# What pip installs builds one wheel, and runs once.
QUICK = "[install]\ncompile = false\ndisable-pip-version-check = true"
PIP_CONFIGS = ["/etc/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf"]
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


class CommandError(Exception):
    """A command of buildah or podman failed; the message is what it said last."""


def missing() -> list[str]:
    """Return the packages that these containers need and this machine lacks."""
    packages = system.missing("image")
    if not os.geteuid():  # else a container's users come out of /etc/subuid
        packages = [name for name in packages if name != "uidmap"]
    if not runtimes() and "runc" not in packages:
        packages.append("runc")
    return packages


def runtimes() -> dict[str, str]:
    """Return the paths of the runtimes that are there and may work, best first."""
    mixed = CGROUP_2.exists() and CGROUP_2.read_text().strip()  # crun refuses a mixture
    usable = ["runc"] if mixed else RUNTIMES
    found = {name: system.find(name) for name in usable}
    return {name: path for name, path in found.items() if path}


class Containers:
    """Images and containers in a folder. As an ordinary user they are rootless."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, **containers_end.environment(folder)}
        for name in ("tmp", "u"):
            (folder / name).mkdir(mode=0o700)
        self.runtimes = runtimes()
        self.configure(*next(iter(self.runtimes.items())))
        for driver in DRIVERS:
            (folder / "storage.conf").write_text(
                f'[storage]\ndriver = "{driver}"\n'
                f'graphroot = "{folder}/storage"\nrunroot = "{folder}/run"\n'
            )
            with contextlib.suppress(CommandError):
                self.tell("buildah", "images")
                break

    def tell(self, program: str, *arguments: str | Path, seconds: float = 120) -> str:
        """Return what a command prints; raise `CommandError` when it fails."""
        try:
            done = subprocess.run(
                [program, *arguments],
                check=False,  # the message tells more than the status
                env=self.environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=seconds,
            )
        except subprocess.TimeoutExpired as error:
            raise CommandError(f"{program} took more than {seconds} s") from error
        if done.returncode:
            said = (done.stdout + done.stderr).strip()[-2000:]
            raise CommandError(f"{program} {arguments[0]}: {said}")
        return done.stdout.strip()

    def build(self, name: str, context: Path, *options: str | Path) -> None:
        """Build an image from the Dockerfile of a folder."""
        told = ["--isolation=chroot", "--format=docker", f"--tag={name}", *options]
        self.tell("buildah", "build", *told, context, seconds=300)

    def base(self, pinned: str) -> tuple[str, str]:
        """Return the image to build upon, and where it comes from.

        It is the pinned one where its registry can be reached, and else a local one.
        """
        host = pinned.partition("/")[0]
        try:
            reach(host)
            self.tell("buildah", "pull", pinned, seconds=90)
        except (CommandError, OSError) as error:
            reason = str(error).splitlines()[-1]
        else:
            return pinned, host
        archive = self.folder / "base.tar"
        change = base_image.write_archive(archive)
        self.tell("podman", "import", f"--change={change}", archive, LOCAL)
        archive.unlink()
        return LOCAL, f"the Python that runs the tests; {host}: {reason}"

    def reach_index(self, image: str, *options: str) -> None:
        """Raise `ConnectionError` when a build from an image can't reach pip's index.

        The options are those of the build.
        """
        run = ["podman", "run", "--rm", "--network=host", *options, image, "python3"]
        pip = ["-m", "pip", "--retries=1", "--timeout=10", "download", "--no-deps"]
        try:
            self.tell(*run, *pip, "--no-cache-dir", "--dest=/tmp", PROBE)
        except CommandError as error:
            if broken := re.search(r"connection broken by '(.*)'", str(error)):
                reason = re.sub(r"<.*?>: ", "", broken[1])
                raise ConnectionError(reason) from error

    def choose_runtime(self, image: str) -> str:
        """Return the first runtime that can run Python in an image here.

        Raises `CommandError` with what they said when none can.
        """
        reasons = []
        for runtime, path in self.runtimes.items():
            self.configure(runtime, path)
            try:
                self.tell(
                    "podman",
                    "run",
                    "--rm",
                    "--network=host",
                    image,
                    "python3",
                    "-c",
                    "",
                )
            except CommandError as error:
                reasons.append(f"{runtime}: {error}")
            else:
                return runtime
        raise CommandError("; ".join(reasons))

    def configure(self, runtime: str, path: str) -> None:
        """Set what podman would else ask of systemd, or set higher than it may.

        The file is replaced at once: podman may still clean up after a container
        that failed, and half a file would give it the defaults.
        """
        new = self.folder / "containers.conf.new"
        new.write_text(
            f"[containers]\ndefault_ulimits = {LIMITS}\nlabel = false\n"
            f'[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\n'
            f'lock_type = "file"\nruntime = "{runtime}"\n'  # shared memory would stay
            f'tmp_dir = "{self.folder}/libpod"\n'
            f'[engine.runtimes]\n{runtime} = ["{path}"]\n'
        )
        new.replace(self.folder / "containers.conf")

    @contextmanager
    def running(
        self, image: str, *options: str, command: Sequence[str] = (), **environment: str
    ) -> Iterator[str]:
        """Run a container on this machine's network, give its name, and remove it."""
        told = [f"--env={name}={value}" for name, value in environment.items()]
        run = ["podman", "run", "--detach", "--network=host", *options, *told]
        name = self.tell(*run, image, *command)
        try:
            yield name
        finally:
            self.tell("podman", "rm", "--force", "--time=0", name)


def reach(host: str) -> None:
    """Raise `OSError` when a registry doesn't answer within some seconds."""
    try:
        urlopen(f"https://{SERVERS.get(host, host)}/v2/", timeout=5).close()
    except HTTPError as error:
        error.close()  # it wants to know who asks


def index_options(folder: Path) -> list[str]:
    """Return options that lead a build to the index that pip uses on this machine."""
    config = configparser.ConfigParser({"index-url": "", "cert": ""})
    config.read_string("[global]")
    config.read(Path(path).expanduser() for path in PIP_CONFIGS)
    index = os.environ.get("PIP_INDEX_URL") or config["global"]["index-url"]
    certificates = os.environ.get("PIP_CERT") or config["global"]["cert"]
    pip, uv, options = f"{QUICK}\n[global]\n", "", []
    if index:
        pip, uv = f"{pip}index-url = {index}\n", f'{uv}index-url = "{index}"\n'
    if certificates:
        pip, uv = f"{pip}cert = {CERTIFICATES}\n", f"{uv}system-certs = true\n"
        options.append(f"--volume={certificates}:{CERTIFICATES}:ro")
    for name, content in {"pip.conf": pip, "uv/uv.toml": uv}.items():
        file = folder / "index" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        options.append(f"--volume={file}:/etc/{name}:ro")
    return options


@contextmanager
def storage() -> Iterator[Containers]:
    """Give a storage with nothing in it; take it away at the end.

    It is in memory where there is room, as a disk takes longer to remove an image than
    to run it. Its path is short: where podman's run root is longer than 50 characters,
    no container's end is noticed, and each run takes 20 s more.
    """
    end = [sys.executable, containers_end.__file__]
    parent = MEMORY if has_room(MEMORY, ROOM) else DISK
    told = temporary("images", parent, OWNERS[1])
    with told as folder, kept(end, folder=folder):
        yield Containers(folder)
