"""Stores as the code of an earlier commit left them, to upgrade: `make.py` made them, `restore` brings them back.

They were left in the middle of things: baselines learnt, incidents open, an action that waits for approval and one that
is to be sent again, an experiment and a shadow at work, money spent, a breaker open, a silence, and a row of everything
else. The recording goes on after them, so that the daemon can too.
"""

from __future__ import annotations

import lzma
import shutil
import sqlite3
from pathlib import Path

import psycopg
import sqlalchemy as sa

HERE = Path(__file__).parent
COMMIT = "ff46fff"
REVISION = "0016"
BUCKETS, LIVE = 40, 35
"""Of the recording, and of it those that the earlier commit computed."""


def restore(url: str) -> None:
    """Fill an empty database with the store of then."""
    parsed = sa.make_url(url)
    kind = parsed.get_backend_name()
    dump = lzma.decompress((HERE / f"{kind}.sql.xz").read_bytes()).decode()
    if kind == "sqlite":
        connection = sqlite3.connect(str(parsed.database))
        connection.executescript(dump)
        connection.close()
        return
    plain = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as server:
        server.execute(dump.encode())


def unpack(folder: Path, store: str) -> Path:
    """Put recording, plan and configuration into a folder; returns where the driver of the replay goes on."""
    with lzma.open(HERE / "recording.db.xz") as packed, (folder / "recording.db").open("wb") as file:
        shutil.copyfileobj(packed, file)
    shutil.copy(HERE / "plan.json", folder)
    configured = (HERE / "driftd.yaml").read_text(encoding="utf-8").replace("@STORE@", store)
    (folder / "driftd.yaml").write_text(configured, encoding="utf-8")
    return folder / "work"
