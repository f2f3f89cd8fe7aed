"""Makes the stores of an earlier commit again: ``python -m tests.support.old_store.make``, from the top of a clone."""

from __future__ import annotations

import lzma
import re
import shutil
import sqlite3
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from benchmarks.replay.__main__ import checked_out, drive
from benchmarks.replay.recording import record
from tests.support import postgres
from tests.support.old_store import BUCKETS, COMMIT, HERE, LIVE

AT = datetime(2026, 11, 2, 4, tzinfo=UTC)
BESIDES = {
    "labels": {"monitor": "assistant", "record": "7", "label": "1", "at": AT},
    "verdicts": {"monitor": "assistant", "record": "8", "score": 0.25, "at": AT},
    "prompts": {
        "name": "support",
        "version": 1,
        "hash": "0" * 64,
        "content": {"template": "Answer {question}."},
        "description": "first",
        "commit": "",
        "author": "Ada",
        "committed_at": None,
        "dirty": False,
        "pushed_at": AT,
    },
    "prompt_tags": {"name": "support", "tag": "production", "version": 1, "tagged_at": AT},
    "evaluations": {
        "id": "e-1",
        "suite": "support",
        "started_at": AT,
        "finished_at": AT,
        "result": "good",
        "reason": "as before",
        "model": "small-7b",
        "cases": 1,
        "samples": 3,
        "failed": 0,
        "score": 0.9,
        "copies": False,
        "compared_with": [],
        "comparisons": [],
        "spent": {},
        "accepted_by": "Ada",
    },
    "evaluation_cases": {
        "evaluation": "e-1",
        "case": "greeting",
        "place": 0,
        "definition": "d",
        "tags": [],
        "scores": {"exact": [1.0]},
        "failures": [],
    },
    "evaluation_turns": {"name": "suite support", "begun_at": AT, "owner": "host:1:x", "lease_until": AT},
    "silences": {
        "monitor": "*",
        "rule": "money",
        "starts_at": AT,
        "ends_at": AT,
        "comment": "import",
        "created_by": "Ada",
    },
}
"""A row of each table that the recording leaves empty."""


def main() -> None:
    """Run the earlier commit over the recording on both kinds of store, and write what it leaves beside this file."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        checked_out(COMMIT, Path(scratch) / "code") as code,
        postgres.server() as server,
    ):
        assert isinstance(server, postgres.OwnServer)
        folder = Path(scratch)
        record(folder, BUCKETS, "@STORE@")
        configuration = folder / "driftd.yaml"
        template = configuration.read_text(encoding="utf-8")
        pack(HERE / "recording.db.xz", (folder / "recording.db").read_bytes())
        for name in ("plan.json", "driftd.yaml"):
            shutil.copy(folder / name, HERE)
        with server.database() as url:
            stores = {"sqlite": f"sqlite:///{folder / 'sqlite' / 'driftd.db'}", "postgresql": url}
            for kind, store in stores.items():
                configuration.write_text(template.replace("@STORE@", store), encoding="utf-8")
                drive(code, folder / kind, "0", str(LIVE))
                add_besides(store)
            pack(HERE / "sqlite.sql.xz", dump_sqlite(folder / "sqlite" / "driftd.db").encode())
            pack(HERE / "postgresql.sql.xz", dump_postgresql(server, url).encode())


def add_besides(store: str) -> None:
    engine = sa.create_engine(store)
    tables = sa.MetaData()
    tables.reflect(engine)
    with engine.begin() as connection:
        for name, row in BESIDES.items():
            table = tables.tables[name]
            if engine.dialect.name == "sqlite":
                row = {key: one.replace(tzinfo=None) if one is AT else one for key, one in row.items()}
            connection.execute(sa.insert(table).values(**row))
        empty = [name for name, table in tables.tables.items() if not connection.execute(sa.select(table)).first()]
    engine.dispose()
    print(f"{store.split(':')[0]}: no row in {empty or 'no table'}")


def dump_sqlite(path: Path) -> str:
    connection = sqlite3.connect(path)
    try:
        return "\n".join(connection.iterdump())
    finally:
        connection.close()


def dump_postgresql(server: postgres.OwnServer, url: str) -> str:
    """Return the dump as SQL that any client can run: without what only psql understands, and without settings."""
    plain = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    command = [server.binaries / "pg_dump", "--no-owner", "--no-acl", "--rows-per-insert=50", f"--dbname={plain}"]
    text = subprocess.run(command, user=server.user, cwd="/", check=True, capture_output=True, text=True).stdout
    return re.sub(r"^(\\|SET |SELECT pg_catalog\.set_config|--).*\n", "", text, flags=re.MULTILINE)


def pack(path: Path, content: bytes) -> None:
    path.write_bytes(lzma.compress(content, preset=9 | lzma.PRESET_EXTREME))
    print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
