"""A file beside a SQLite store that reserves room, so that rows can be deleted when the disk is full.

SQLite writes a deletion to its log before any page is free, and the log cannot be emptied while the file of the store
cannot grow. If that fails, the file is deleted, and made again when the disk has room.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from monitor.store.database import Database

BYTES = 16 * 1024 * 1024
"""Room for the log of the largest transaction of the retention, and for what it holds already."""
ROOM = 4 * BYTES
"""The file is made only if the disk has this much room."""


def make_reserve(database: Database) -> None:
    """Reserve room on the disk of a SQLite store; without a file or without room nothing happens."""
    path = _path(database)
    if path is None or path.exists():
        return
    with suppress(OSError):
        if shutil.disk_usage(path.parent).free < ROOM:
            return
        with path.open("xb") as file:
            os.posix_fallocate(file.fileno(), 0, BYTES)


def release_reserve(database: Database) -> bool:
    """Delete the file, so that the store can be written to; return whether there was one."""
    path = _path(database)
    if path is None or not path.exists():
        return False
    path.unlink()
    return True


def _path(database: Database) -> Path | None:
    name = database.url.database if database.dialect == "sqlite" else None
    return Path(f"{name}-reserve") if name and not name.startswith((":memory:", "file:")) else None
