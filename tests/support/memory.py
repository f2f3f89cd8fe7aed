"""A file system in memory, for files that are written often and kept by nobody."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

MEMORY, ROOM = Path("/dev/shm"), 2 << 30


def has_room() -> bool:
    """Say whether it can be written to and has two gigabytes left."""
    return os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM
