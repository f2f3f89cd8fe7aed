"""The real command line without the seconds that its imports take.

A server process, one for all workers of a run of the tests, imports driftd once. For each command it forks a child,
which gets its own folder, environment, output and arguments and then runs :func:`monitor.cli.main` to the end of the
process, as ``driftd`` does: with its own signals, exit code and death. A test of what a start imports or costs starts
the program itself.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import IO, Any

from tests.support.process import die_with_parent, eventually

ROOT = Path(__file__).parents[2]
RUN = "DRIFTD_TESTS_RUN"
"""The environment variable that says to a program of :func:`install` which run it belongs to."""


class Command:
    """A command that runs: the part of ``subprocess.Popen`` that tests use."""

    def __init__(
        self,
        arguments: Sequence[str | Path],
        out: IO[Any] | int,
        err: IO[Any] | int,
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        program: Path | None = None,
    ) -> None:
        """Start a command; with ``program``, a file that is run as the main program instead of `driftd`."""
        self.args = [str(argument) for argument in arguments]
        self.returncode: int | None = None
        self._connection = _connect()
        place = {"cwd": str(cwd or Path.cwd()), "env": dict(env or os.environ)}
        order = json.dumps({"arguments": self.args, "program": program and str(program), **place}).encode()
        socket.send_fds(self._connection, [len(order).to_bytes(8)], [_number(out), _number(err)])
        self._connection.sendall(order)
        self.pid = int.from_bytes(_receive(self._connection, 8))

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code, the negative number of the signal that ended the command."""
        if self.returncode is None:
            self._connection.settimeout(timeout)
            try:
                status = _receive(self._connection, 8)
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
            self.returncode = int.from_bytes(status, signed=True)
            self._connection.close()
        return self.returncode

    def poll(self) -> int | None:
        """Return the exit code, or None while the command runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def send_signal(self, number: int) -> None:
        """Send a signal to a command that has not ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


def run(
    arguments: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 240,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and return what it printed."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        command = Command(arguments, out, err, cwd=cwd, env=env)
        try:
            code = command.wait(timeout)
        finally:
            command.kill()
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read().decode())
    return subprocess.CompletedProcess(command.args, code, *texts)


def install(folder: Path) -> dict[str, str]:
    """Write a program `driftd` that runs its commands here; return the environment in which a shell finds it."""
    program = folder / "driftd"
    program.write_text(
        f"#!{sys.executable}\n"
        "import os, signal, sys\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "from tests.support.prefork import Command\n"
        "command = Command(sys.argv[1:], 1, 2)\n"
        "signal.signal(signal.SIGTERM, lambda *_: os.kill(command.pid, signal.SIGTERM))\n"
        "code = command.wait()\n"
        "sys.exit(code if code >= 0 else 128 - code)\n"
    )
    program.chmod(0o755)
    _start_server()
    path = f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, RUN: str(_run_of_tests()), "PATH": path}


def _number(stream: IO[Any] | int) -> int:
    return stream if isinstance(stream, int) else stream.fileno()


def _receive(connection: socket.socket, size: int) -> bytes:
    """Return so many bytes; the other side never sends less."""
    parts = bytearray()
    while len(parts) < size:
        part = connection.recv(size - len(parts))
        if not part:
            raise AssertionError("the server of the commands ended")
        parts += part
    return bytes(parts)


def _connect() -> socket.socket:
    """Return a connection to the server, which the first worker that needs it starts."""
    connection = socket.socket(socket.AF_UNIX)
    _start_server()
    eventually(lambda: connection.connect(f"\0driftd-tests-{_run_of_tests()}") is None, 60, "the server of commands")
    return connection


def _run_of_tests() -> int:
    """Return the process of the whole run: that of pytest, of which xdist's workers are children."""
    if RUN in os.environ:
        return int(os.environ[RUN])
    return os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()


@cache
def _start_server() -> None:
    """Start the server unless another worker has; it ends with the whole run, not with this worker."""
    with socket.socket(socket.AF_UNIX) as listener:
        try:
            listener.bind(f"\0driftd-tests-{_run_of_tests()}")
        except OSError:
            return
        listener.listen(64)
        command = [sys.executable, "-m", "tests.support.prefork", str(listener.fileno()), str(_run_of_tests())]
        subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, pass_fds=[listener.fileno()], check=True)


def _serve(listener: socket.socket, run_of_tests: int) -> Callable[[], object]:
    """Fork a keeper for each command; in the command's own process return what it shall do."""
    import monitor

    for module in pkgutil.walk_packages(monitor.__path__, "monitor."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    gc.collect()
    gc.freeze()  # what is there already is neither collected nor copied again in every child
    signal.signal(signal.SIGCHLD, lambda *_: _reap())
    listener.settimeout(1.0)
    while True:
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            if Path(f"/proc/{run_of_tests}").exists():
                continue
            sys.exit()
        connection.setblocking(True)
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            die_with_parent(signal.SIGKILL)()
            return _keep(connection)
        connection.close()


def _reap() -> None:
    """Bury the keepers that have ended."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _keep(connection: socket.socket) -> Callable[[], object]:
    """Fork the command and report its process id and, after its end, its exit code."""
    header, streams, *_ = socket.recv_fds(connection, 8, 2)
    order = json.loads(_receive(connection, int.from_bytes(header)))
    child = os.fork()
    if child:
        for stream in streams:
            os.close(stream)
        connection.sendall(child.to_bytes(8))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        with suppress(OSError):  # nobody waits any more
            connection.sendall(code.to_bytes(8, signed=True))
        os._exit(0)
    connection.close()
    die_with_parent(signal.SIGKILL)()
    for number, stream in enumerate(streams, start=1):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    sys.argv = ["driftd", *order["arguments"]]
    if order["program"]:
        return partial(runpy.run_path, order["program"], run_name="__main__")
    return importlib.import_module("monitor.cli").main


if __name__ == "__main__":
    if os.fork():
        os._exit(0)  # the server is nobody's child: it outlives the worker that started it
    sys.exit(_serve(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]))())
