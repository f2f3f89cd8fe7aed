"""The last commit of a file, read with git."""

from __future__ import annotations

import subprocess
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

TIMEOUT = 10.0


class LastChange(NamedTuple):
    """Hash, author and time of the last commit of a file, and whether the file has uncommitted changes."""

    commit: str = ""
    author: str = ""
    at: datetime | None = None
    dirty: bool = False


def last_change(path: Path) -> LastChange:
    """Return the last commit of a file; all fields are empty if it was never committed or git is missing."""
    output = _git(path, "log", "-1", "--format=%H%x00%an%x00%cI", "--", path.name)
    commit, author, at = (*output.split("\x00"), "", "", "")[:3] if output else ("", "", "")
    if not commit:
        return LastChange()
    changed = _git(path, "status", "--porcelain", "--", path.name)
    return LastChange(commit, author, datetime.fromisoformat(at), bool(changed))


def _git(path: Path, *words: str) -> str:
    try:
        ran = subprocess.run(  # noqa: S603
            ["git", *words],  # noqa: S607
            cwd=path.parent,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout.strip() if ran.returncode == 0 else ""
