"""The daemon as the container runs it: unprivileged, without capabilities, on a read-only root, as PID 1.

The kernel's namespaces take the place of a container engine. The root is an empty file system with the interpreter, its
packages and this repository, all read-only; `/tmp` and `/var/lib/driftd` can be written to, as in the image.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from tests.support.process import die_with_parent, eventually, free_port
from tests.support.tools import ROOT
from tests.support.world import START, World, rows_of

pytestmark = pytest.mark.xdist_group("waiting")
USER = 65532
HOME = "/var/lib/driftd"
SETTINGS = {"HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", "DO_NOT_TRACK": "1"}
SHARED = {Path(sys.base_prefix), Path(sys.prefix), ROOT, *(Path(f"/{name}") for name in ("usr", "etc"))}
LINKED = [Path(f"/{name}") for name in ("bin", "sbin", "lib", "lib64")]


def list_missing() -> str | None:
    """Return why there are no namespaces here, or None."""
    tools = [name for name in ("unshare", "setpriv", "mount", "chroot") if shutil.which(name) is None]
    if tools:
        return f"no {', '.join(tools)}"
    if os.geteuid() != 0:
        return "only root may mount"
    probe = ["unshare", "--mount", "--pid", "--fork", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    done = subprocess.run(probe, capture_output=True, text=True, check=False)
    return done.stderr.strip() or None if done.returncode else None


@pytest.fixture(scope="module", autouse=True)
def _namespaces() -> None:
    if reason := list_missing():
        pytest.skip(f"NO NAMESPACES HERE: {reason}; the container is not tested")


def enter(root: Path, volume: Path, command: list[str]) -> str:
    """Return a shell script that makes the root and runs a command in it as the only process."""
    at = shlex.quote(str(root))
    lines = ["set -eu", "mount --make-rprivate /", f"mount -t tmpfs -o mode=755 tmpfs {at}", f"cd {at}"]
    # First, because a repository may lie in /tmp.
    lines += ["mkdir tmp", "mount -t tmpfs -o mode=1777,size=64m tmpfs tmp"]
    for path in sorted(SHARED, key=lambda path: len(path.parts)):
        inner = shlex.quote(f".{path}")
        if not any(path.is_relative_to(other) for other in SHARED - {path}):
            lines += [
                f"mkdir -p {inner}",
                f"mount --bind {shlex.quote(str(path))} {inner}",
                f"mount -o remount,bind,ro {inner}",
            ]
    for path in (path for path in LINKED if path.exists()):
        inner = f".{path}"
        if path.is_symlink():
            lines.append(f"ln -s {shlex.quote(str(path.readlink()))} {inner}")
        else:
            lines += [f"mkdir -p {inner}", f"mount --bind {path} {inner}", f"mount -o remount,bind,ro {inner}"]
    lines += ["mkdir -p dev/shm proc", "mount -t proc proc proc", "mount -t tmpfs -o mode=1777,size=64m tmpfs dev/shm"]
    lines += [
        f"touch dev/{name}; mount --bind /dev/{name} dev/{name}" for name in ("null", "zero", "random", "urandom")
    ]
    lines += [f"mkdir -p .{HOME}", f"mount --bind {shlex.quote(str(volume))} .{HOME}", f"mount -o remount,ro {at}"]
    rights = f"--reuid {USER} --regid {USER} --clear-groups --no-new-privs --bounding-set -all --inh-caps -all"
    lines.append(f"exec chroot {at} setpriv {rights} -- {shlex.join(command)}")
    return "\n".join(lines)


class Container:
    """The daemon in its namespaces."""

    def __init__(self, folder: Path) -> None:
        self.volume = folder / "volume"
        self.volume.mkdir()
        self.port = free_port()
        world = World(self.volume, f"sqlite:///{self.volume}/log.db", f"sqlite:///{HOME}/driftd.db")
        world.log(rows_of(START, timedelta(hours=1)))
        world.source_url = f"sqlite:///{HOME}/log.db"
        world.configure({"server": {"listen": f"127.0.0.1:{self.port}"}}, catch_up="1h", signals=["response_length"])
        world.close()
        for path in (self.volume, *self.volume.iterdir()):
            os.chown(path, USER, USER)
        root = folder / "root"
        root.mkdir()
        python = [
            sys.executable,
            "-c",
            "from monitor.cli import main; main()",
            "run",
            "--config",
            f"{HOME}/driftd.yaml",
        ]
        environment = {**SETTINGS, "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        self.log = folder / "log"
        with self.log.open("wb") as out:
            self.outer = subprocess.Popen(
                ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", enter(root, self.volume, python)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd="/",
                preexec_fn=die_with_parent(signal.SIGKILL),
            )

    def first(self) -> int:
        """Return the process that is PID 1 inside, by its number outside."""
        (child,) = Path(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children").read_text().split()
        return int(child)

    def status(self) -> dict[str, str]:
        lines = Path(f"/proc/{self.first()}/status").read_text().splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=30)

    def has_read(self) -> bool:
        """Return whether the source was read; fail if the process has ended."""
        if self.outer.poll() is not None:
            pytest.fail(self.log.read_text()[-4000:])
        return 'driftd_source_up{monitor="shop"} 1.0' in self.get("/metrics").text


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    made = Container(tmp_path)
    try:
        yield made
    finally:
        made.outer.kill()
        made.outer.wait()


def test_the_daemon_works_without_rights_and_ends_as_pid_1(container: Container) -> None:
    eventually(container.has_read, 90, "the daemon at work")
    status = container.status()
    assert status["NSpid"].split()[-1] == "1"
    assert set(status["Uid"].split()) == set(status["Gid"].split()) == {str(USER)}
    assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert status["NoNewPrivs"] == "1"
    mounts = [line.split() for line in Path(f"/proc/{container.first()}/mountinfo").read_text().splitlines()]
    writable = {fields[4] for fields in mounts if "rw" in fields[5].split(",") and not fields[4].startswith("/dev/")}
    assert writable == {"/tmp", "/proc", HOME}
    assert container.get("/healthz").text == "ok"
    began = time.monotonic()
    os.kill(container.first(), signal.SIGTERM)
    assert container.outer.wait(30) == 0
    assert time.monotonic() - began < 10
    assert '"event": "stopped"' in container.log.read_text()
    assert {path.name.split("-")[0] for path in container.volume.iterdir()} == {"driftd.db", "driftd.yaml", "log.db"}
