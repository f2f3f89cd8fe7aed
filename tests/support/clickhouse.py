"""ClickHouse's HTTP interface in front of chDB, which is the real engine in one process.

The driver under test is unmodified. What this does not show: the transport of a real server, its users and its
clusters. Run as a program, because chDB is one session a process: ``python -m tests.support.clickhouse``.
"""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import sqlalchemy as sa

READS = re.compile(r"\s*(SELECT|WITH|DESC|DESCRIBE|SHOW|EXPLAIN|EXISTS)\b", re.IGNORECASE)
FORMAT = re.compile(r"\sFORMAT\s+(\w+)\s*;?\s*$", re.IGNORECASE)


class Engine:
    """One chDB session, asked by one thread at a time."""

    def __init__(self) -> None:
        from chdb.session import Session

        self.session = Session()
        self.session.query("SET max_query_size = 1000000000")  # tests insert thousands of rows by one statement
        self.lock = threading.Lock()

    def answer(self, sql: str, form: str, settings: dict[str, str]) -> bytes:
        if settings.get("readonly", "0") != "0" and not READS.match(sql):
            raise PermissionError("Code: 164. DB::Exception: Cannot execute query in readonly mode. (READONLY)")
        with self.lock:
            for name in ("max_execution_time", "prefer_column_name_to_alias"):
                if name in settings:
                    self.session.query(f"SET {name} = {float(settings[name]):g}")
            result = self.session.query(sql, form)
            return bytes(result.bytes() or b"") if result is not None else b""


def handler(engine: Engine) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            if self.path.startswith("/ping"):
                self._send(200, b"Ok.\n", "TabSeparated")
            else:
                self.do_POST()

        def do_POST(self) -> None:
            query = {name: values[0] for name, values in parse_qs(urlparse(self.path).query).items()}
            body = self._body()
            sql = query.pop("query", "")
            sql, body = (sql, body) if sql else (body.decode(), b"")
            form = self.headers.get("x-clickhouse-format") or query.get("default_format", "TabSeparated")
            if found := FORMAT.search(sql):
                form, sql = found.group(1), sql[: found.start()]
            try:
                self._send(200, engine.answer(sql, form, query), form)
            except Exception as error:  # noqa: BLE001  a server answers whatever happens
                self._send(500, str(error).encode(), "TabSeparated")

        def _body(self) -> bytes:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            if self.headers.get("transfer-encoding") == "chunked":
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
            return gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body

        def _send(self, code: int, body: bytes, form: str) -> None:
            self.send_response(code)
            for name, value in {
                "Content-Length": str(len(body)),
                "X-ClickHouse-Format": form,
                "X-ClickHouse-Timezone": "UTC",
                "X-ClickHouse-Summary": "{}",
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    return Handler


@contextmanager
def emptied(url: str) -> Iterator[sa.Engine]:
    """Lend an engine on a database whose tables are dropped first."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        query = "SELECT name FROM system.tables WHERE database = currentDatabase()"
        for table in connection.exec_driver_sql(query).scalars().all():
            connection.exec_driver_sql(f"DROP TABLE `{table}`")
    yield engine
    engine.dispose()


@contextmanager
def server() -> Iterator[str]:
    """Lend the SQLAlchemy URL of an engine that is empty and ends with the block."""
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.clickhouse"],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=root,
    ) as process:
        assert process.stdout is not None
        try:
            port = process.stdout.readline().strip()
            assert port.isdecimal(), "chDB did not start"
            yield f"clickhousedb://default@127.0.0.1:{port}/default"
        finally:
            process.kill()


def main() -> None:
    """Serve until the standard input is closed, which is when the parent has gone."""
    made = ThreadingHTTPServer(("127.0.0.1", 0), handler(Engine()))
    threading.Thread(target=made.serve_forever, daemon=True).start()
    print(made.server_address[1], flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
