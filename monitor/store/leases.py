"""Leases: the worker of a row of our database, and the time from which another may take it over.

A lease ends at a time of the database's clock. Its owner may take it again at any time, for example if the store was
unavailable when it tried to release the row. An owner is one worker of one process: the job of a monitor or the
delivery job.
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
    owner: sa.Column[str],
    lease_until: sa.Column[datetime],
    moment: datetime | sa.BindParameter[datetime],
    me: str | sa.BindParameter[str],
) -> sa.ColumnElement[bool]:
    """Return the condition that a row may be taken: it has no owner, its lease has expired, or the worker owns it."""
    return sa.or_(lease_until.is_(None), lease_until < moment, owner == me)


def dead(owners: Iterable[str]) -> list[str]:
    """Return the owners whose process has certainly ended.

    Only processes of the same boot of the same machine and of the same PID namespace can be checked. Process 1 of one
    container is not process 1 of another: the claims of a removed container are free when their leases expire.
    """
    return [owner for owner in owners if _has_ended(owner)]


def _has_ended(owner: str) -> bool:
    parts = owner.split(":")
    if len(parts) != 5 or not parts[1].isdigit():  # noqa: PLR2004  the parts of new_owner
        return False
    _, pid, machine, start, _ = parts
    return machine != "" and machine == _machine() and start != _process_start(int(pid))


def _machine() -> str:
    """Return a name of the boot of this machine and of the PID namespace; empty if it cannot be determined."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = Path("/proc/self/ns/pid").readlink()
    except OSError:
        return ""
    return hashlib.sha256(f"{boot} {namespace}".encode()).hexdigest()[:12]


def _process_start(pid: int) -> str:
    """Return the start time of a process in ticks since the boot; empty if it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = text.rpartition(")")[2].split()  # the name before it may contain spaces and parentheses
    state, start = fields[0], fields[19]
    return "" if state in "ZX" else start
