"""Runs one version of driftd over a recording, by a clock that is set by hand: ``python driver.py FOLDER``.

The recording lies in the folder's parent (see `recording.py`); the folder is where log, store and what was sent go.
Which version runs is decided by PYTHONPATH alone, so this file stands by itself and uses little of driftd: whoever
makes a store and a daemon of a configuration, found by name wherever it stands.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import importlib
import json
import re
import sqlite3
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog

import monitor


def find(*names: str) -> Any:
    """Return the function of the first of these names that some module of driftd defines."""
    package = Path(str(monitor.__file__)).parent
    for name in names:
        for path in sorted(package.rglob("*.py")):
            if re.search(rf"^def {name}\(", path.read_text(encoding="utf-8"), re.MULTILINE):
                module = ".".join(path.relative_to(package.parent).with_suffix("").parts)
                return getattr(importlib.import_module(module), name)
    raise LookupError(f"no module of {package} defines {' or '.join(names)}; add its new name to the driver.")


def read_configuration(path: Path) -> Any:
    """Read driftd.yaml as the version at hand does."""
    try:
        return find("load_config", "read_config")(path)
    except LookupError:
        return importlib.import_module("monitor.cli.commands.load").load(path)


class Hand:
    """A clock that stands where it is put."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment


class Receiver:
    """Keeps what it is sent, checks every signature, and fails some first attempts."""

    def __init__(self, clock: Hand, secret: str) -> None:
        self.clock, self.key = clock, base64.b64decode(secret.removeprefix("whsec_"))
        self.sent: list[dict[str, Any]] = []
        self._attempts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        """Return status and answer of a request."""
        with self._lock:
            slack = path.startswith("/api/")
            identity = hashlib.sha256(body).hexdigest()[:16] if slack else headers.get("webhook-id", "")
            self._attempts[identity] += 1
            attempt = self._attempts[identity]
            status = 503 if attempt == 1 and int(identity[:2], 16) % 3 == 0 else 200
            self.sent.append(
                {
                    "at": self.clock.now().isoformat(),
                    "path": path,
                    "id": identity,
                    "attempt": attempt,
                    "status": status,
                    "signed": slack or self._is_signed(headers, body),
                    "body": json.loads(body),
                }
            )
            return status, {"ok": True, "channel": "C1", "ts": f"17{int(identity[:8], 16):08d}.000000"}

    def _is_signed(self, headers: dict[str, str], body: bytes) -> bool:
        seconds = headers["webhook-timestamp"]
        signed = f"{headers['webhook-id']}.{seconds}.".encode() + body
        wanted = "v1," + base64.b64encode(hmac.digest(self.key, signed, hashlib.sha256)).decode()
        recent = abs(int(seconds) - self.clock.now().timestamp()) <= 300
        return recent and hmac.compare_digest(wanted, headers["webhook-signature"])


def listen(receiver: Receiver) -> ThreadingHTTPServer:
    """Serve a receiver on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, told = receiver.answer(self.path, headers, body)
            text = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class Log:
    """The application's database: rows, labels and trouble come as they were recorded."""

    def __init__(self, path: Path, recording: Path, plan: dict[str, Any]) -> None:
        self._plan = plan
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("ATTACH ? AS recorded", (str(recording),))
        self._hidden: set[str] = set()
        for table, columns in plan["tables"].items():
            self._connection.execute(f"CREATE TABLE main.{table} ({columns})")

    def write(self, first: int, last: int) -> None:
        """Log what was logged in a run of buckets, and fill in the labels that came in it."""
        self._connection.execute("BEGIN")
        for table, columns in self._plan["tables"].items():
            label = self._plan["labels"].get(table)
            names = [column.split()[0] for column in columns.split(", ")]
            values = ", ".join("NULL" if name == label else name for name in names)
            self._connection.execute(
                f"INSERT INTO main.{self._name(table)} ({', '.join(names)}) "
                f"SELECT {values} FROM recorded.{table} WHERE _logged >= ? AND _logged < ? ORDER BY id",
                (first, last),
            )
            if label:
                self._connection.execute(
                    f"UPDATE main.{self._name(table)} SET {label} = recorded.{label} "
                    f"FROM recorded.{table} AS recorded WHERE main.{self._name(table)}.id = recorded.id "
                    "AND recorded._labelled >= ? AND recorded._labelled < ?",
                    (first, last),
                )
        self._connection.execute("COMMIT")

    def hide(self, table: str, *, hidden: bool) -> None:
        """Take a table away from driftd, or give it back."""
        if hidden != (table in self._hidden):
            names = (table, f"{table}_away") if hidden else (f"{table}_away", table)
            self._connection.execute("ALTER TABLE main.{} RENAME TO {}".format(*names))
            self._hidden ^= {table}

    def _name(self, table: str) -> str:
        return f"{table}_away" if table in self._hidden else table


class People:
    """What people do meanwhile: they silence, and they approve what has waited for two buckets."""

    def __init__(self, store: str, plan: dict[str, Any]) -> None:
        self._engine = sa.create_engine(store)
        self._plan = plan
        self._tables = sa.MetaData()
        self._tables.reflect(self._engine)

    def silence(self, start: datetime, end: datetime) -> None:
        of = {name: self._plan["silence"][name] for name in ("monitor", "rule")}
        told = {"starts_at": self._time(start), "ends_at": self._time(end), "comment": "known", "created_by": "replay"}
        with self._engine.begin() as connection:
            connection.execute(sa.insert(self._tables.tables["silences"]).values(**of, **told))

    def approve(self, before: datetime, now: datetime) -> None:
        """Approve what waits since ``before``."""
        actions = self._tables.tables["actions"]
        waiting = (actions.c.state == "awaiting_approval", actions.c.created_at <= self._time(before))
        with self._engine.begin() as connection:
            told = {"state": "pending", "reason": "approved by replay", "next_attempt_at": self._time(now)}
            connection.execute(sa.update(actions).where(*waiting).values(**told))

    def wait_no_more(self) -> None:
        """Let every bucket that waits for its next attempt be tried again: the clock of the store goes on by itself."""
        buckets = self._tables.tables["buckets"]
        if "next_attempt_at" in buckets.c:
            with self._engine.begin() as connection:
                waiting = buckets.c.next_attempt_at.is_not(None)
                connection.execute(sa.update(buckets).where(waiting).values(next_attempt_at=None))

    def _time(self, moment: datetime) -> datetime:
        return moment if self._engine.dialect.name == "postgresql" else moment.replace(tzinfo=None)


def work(daemon: Any) -> None:
    """Let the daemon do all that is due: every monitor's buckets, then every receiver's messages."""
    if hasattr(daemon, "tick_all"):
        daemon.tick_all()
        daemon.deliver()
        return
    for _, job in sorted(daemon.jobs()):
        job()


def live(folder: Path, plan: dict[str, Any], first: int, last: int) -> Iterator[dict[str, Any]]:
    """Run the live buckets from one to another; yields what was sent.

    The first run learns the baseline. A later one goes on with a store that an earlier one, or another version, left.
    """
    start, bucket = datetime.fromisoformat(plan["start"]), timedelta(seconds=plan["bucket_seconds"])
    begin = start + plan["baseline"] * bucket
    clock = Hand(begin + first * bucket)
    receiver = Receiver(clock, plan["secret"])
    server = listen(receiver)
    log = Log(folder / "log.db", folder.parent / "recording.db", plan)
    config = read_configuration(configured(folder, server.server_address[1]))
    with find("open_store")(config, upgrade=True) as database:
        daemon = find("make_daemon")(database, config, clock)
        people = People(config.store.get_secret_value(), plan)
        log.write(0, plan["baseline"] + first)
        if first == 0:
            work(daemon)
        for number in range(first, last):
            log.write(plan["baseline"] + number, plan["baseline"] + number + 1)
            clock.moment = begin + (number + 1) * bucket
            for table, (since, until) in plan["unreadable"].items():
                log.hide(table, hidden=since <= number < until)
            if number == plan["silence"]["buckets"][0]:
                people.silence(clock.now(), begin + plan["silence"]["buckets"][1] * bucket)
            people.approve(clock.now() - plan["approve_after"] * bucket, clock.now())
            people.wait_no_more()
            work(daemon)
            yield from receiver.sent
            receiver.sent.clear()
        for job in getattr(daemon, "monitors", None) or daemon.watches:  # the code before has the second name
            job.close()
        for job in getattr(daemon, "catch_ups", ()):  # the code before reads over the connections of its monitors
            job.close()
    server.shutdown()
    server.server_close()


def configured(folder: Path, port: int) -> Path:
    """Write the configuration with our address and our folder into the folder."""
    text = (folder.parent / "driftd.yaml").read_text(encoding="utf-8")
    path = folder / "driftd.yaml"
    path.write_text(text.replace("@HOOK@", f"http://127.0.0.1:{port}").replace("@FOLDER@", str(folder)))
    return path


def main(folder: Path, first: int = 0, last: int | None = None) -> None:
    plan = json.loads((folder.parent / "plan.json").read_text(encoding="utf-8"))
    with (folder / "driver.log").open("a", encoding="utf-8") as log:
        structlog.configure(
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.format_exc_info,
                structlog.processors.KeyValueRenderer(["level", "event"]),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(30),
            logger_factory=structlog.PrintLoggerFactory(log),
        )
        sent = list(live(folder, plan, first, plan["buckets"] if last is None else last))
    (folder / "sent.json").write_text(json.dumps(sent, indent=1))
    used = {"code": str(Path(str(monitor.__file__)).parent.parent), "cpu_seconds": round(time.process_time(), 1)}
    print(json.dumps(used))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(int(word) for word in sys.argv[2:]))
