"""Compares what two versions of driftd made of one recording: their stores, and what they sent."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]
SENT = "deliveries"


@dataclass(frozen=True)
class Kind:
    """What is compared: a table of the store, what names a row of it, and what else must be the same.

    Parameters
    ----------
    table
        Its name; several where versions call it differently.
    values
        Their columns; several names, separated by ``|``, where versions call one differently. What depends on the
        clock of the machine, or only on how something is stored, is not compared.
    """

    name: str
    table: str
    key: str
    values: str


KINDS = (
    Kind("buckets", "buckets", "monitor start", "state result reason revision source_rows source_labels usage"),
    Kind("baselines", "baselines", "monitor id", "state start end rows calibration"),
    Kind(
        "findings",
        "findings",
        "monitor start check column segment method key",
        "status reason statistic threshold p_value q_value n_baseline n_window about unit direction detail",
    ),
    Kind("changes", "changes", "monitor kind column value", "first_seen"),
    Kind("versions", "versions", "monitor role value", "first_seen last_seen rows"),
    Kind(
        "incidents",
        "incidents",
        "monitor rule opened_at id",
        "severity state fired_at resolved_at notified_at bad clean reason evidence suspected_change changes",
    ),
    Kind("transitions", "transitions", "at incident state", "reason"),
    Kind(
        "actions",
        "actions",
        "created_at monitor name kind id",
        "incident mode state reason sequence not_after attempts dry_run finished_at payload",
    ),
    Kind("breakers", "breaker_transitions", "at name value state", "reason"),
    Kind("comparisons", "comparisons", "monitor kind name", "told"),
    Kind("cost by hour", "ledger_hours", "monitor column start value", "amount requests unpriced unknown"),
)


@dataclass(frozen=True)
class Differences:
    """Rows of one kind that are not the same, with the first of them in words."""

    kind: str
    rows: int
    missing: int
    added: int
    changed: int
    first: str

    @property
    def total(self) -> int:
        """Return how many rows differ."""
        return self.missing + self.added + self.changed

    def __str__(self) -> str:
        if not self.total:
            return f"{self.kind}: {self.rows} identical"
        told = f"{self.kind}: {self.missing} missing, {self.added} added, {self.changed} changed, of {self.rows}"
        return f"{told}\n    first: {self.first}"


def compare(before: Path, after: Path) -> list[Differences]:
    """Compare the folders in which two versions ran."""
    with closing(sqlite3.connect(before / "driftd.db")) as old, closing(sqlite3.connect(after / "driftd.db")) as new:
        found = [differences(kind.name, rows_of(old, kind), rows_of(new, kind)) for kind in KINDS]
    return [*found, differences(SENT, sent(before), sent(after))]


def rows_of(connection: sqlite3.Connection, kind: Kind) -> dict[tuple[str, ...], Row]:
    """Return the rows of a kind by their key; a column that is not there is None."""
    table = next((name for name in kind.table.split("|") if columns_of(connection, name)), None)
    if table is None:
        return {}
    there = columns_of(connection, table)
    keys = kind.key.split()
    values = {words: next((name for name in words.split("|") if name in there), None) for words in kind.values.split()}
    chosen = [*keys, *(name for name in values.values() if name)]
    listed = ", ".join(f'"{name}"' for name in chosen)
    rows = {}
    for row in connection.execute(f'SELECT {listed} FROM "{table}"'):
        named = dict(zip(chosen, row, strict=True))
        identity = tuple(str(named[name]) for name in keys)
        rows[identity] = {words: named[name] if name else None for words, name in values.items()}
    return rows


def columns_of(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]


def sent(folder: Path) -> dict[tuple[str, ...], Row]:
    """Return what arrived at the receiver, each attempt with its bucket; the order within a bucket is free."""
    keys = ("at", "path", "id", "attempt")
    listed = json.loads((folder / "sent.json").read_text(encoding="utf-8"))
    return {tuple(str(one[key]) for key in keys): {k: v for k, v in one.items() if k not in keys} for one in listed}


def differences(kind: str, old: Mapping[tuple[str, ...], Row], new: Mapping[tuple[str, ...], Row]) -> Differences:
    """Count the rows that differ, and describe the first of them by the order of the keys."""
    missing, added = old.keys() - new.keys(), new.keys() - old.keys()
    changed = {key for key in old.keys() & new.keys() if not same(old[key], new[key])}
    first = min(missing | added | changed, default=())
    described = ""
    if first:
        where = " ".join(word for word in first if word not in ("", "None"))
        what = "missing" if first in missing else "added" if first in added else apart(old[first], new[first])
        described = f"{where}: {what}"
    return Differences(kind, len(old), len(missing), len(added), len(changed), described)


def same(old: Row, new: Row) -> bool:
    """Say whether two rows hold the same; JSON is compared as what it says, not as it is written."""
    return old == new or next(_apart(old, new, ()), None) is None


def apart(old: Row, new: Row) -> str:
    """Return where two rows differ first, and what stands there."""
    where, left, right = next(_apart(old, new, ()))
    return f"{'.'.join(where)} was {left!r}, is {right!r}"


def _apart(old: Any, new: Any, where: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    old, new = _read(old), _read(new)
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from _apart(old.get(key), new.get(key), (*where, key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for place, (left, right) in enumerate(zip(old, new, strict=True)):
            yield from _apart(left, right, (*where, str(place)))
    elif old != new and not (old is new is None):
        yield where, old, new


def _read(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def summary(found: Sequence[Differences]) -> str:
    """Return one line a kind, and what comes of them."""
    total = sum(one.total for one in found)
    end = f"{total} differences" if total else "identical"
    return "\n".join([*map(str, found), end])
