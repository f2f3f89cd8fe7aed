"""Leases: who works on a row of our database, and when somebody else may take it over.

A lease ends at a time of the database's clock. Its owner may take it again at any time, for instance when the store was
away just as it wanted to give the row back. An owner is one worker of one process: the watch of a monitor, or the loop
that delivers.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

HOST_LENGTH = 60


def new_owner() -> str:
    """Return the name of a new worker of this process: host, process, machine, start of the process, random number."""
    host = socket.gethostname()[:HOST_LENGTH].replace(":", "-")
    pid = os.getpid()
    return f"{host}:{pid}:{_machine()}:{_process_start(pid)}:{secrets.token_hex(4)}"


def is_free(
    owner: sa.Column[str], lease_until: sa.Column[datetime], moment: datetime, me: str
) -> sa.ColumnElement[bool]:
    """Return the condition that a row may be taken: nobody has it, its lease has run out, or it is the worker's own."""
    return sa.or_(lease_until.is_(None), lease_until < moment, owner == me)


def dead(owners: Iterable[str]) -> list[str]:
    """Return the owners whose process is known to have ended.

    That is known only of processes that this one could see: of the same boot of the same machine, and of the same
    namespace of process numbers. Process 1 of one container is not process 1 of another: what a container that is gone
    has claimed is free when its lease has run out.
    """
    return [owner for owner in owners if _has_ended(owner)]


def _has_ended(owner: str) -> bool:
    parts = owner.split(":")
    if len(parts) != 5 or not parts[1].isdigit():  # noqa: PLR2004  the parts of new_owner
        return False
    _, pid, machine, start, _ = parts
    return machine != "" and machine == _machine() and start != _process_start(int(pid))


def _machine() -> str:
    """Return a name for the boot of this machine and the namespace of process numbers; empty when there is none."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = Path("/proc/self/ns/pid").readlink()
    except OSError:
        return ""
    return hashlib.sha256(f"{boot} {namespace}".encode()).hexdigest()[:12]


def _process_start(pid: int) -> str:
    """Return when a process started, in ticks since the boot; empty when it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = text.rpartition(")")[2].split()  # the name before it may hold blanks and brackets
    state, start = fields[0], fields[19]
    return "" if state in "ZX" else start
