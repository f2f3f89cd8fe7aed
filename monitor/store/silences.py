"""Silences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.config.rules import UNMEASURED
from monitor.core.matchers import Matcher, Silence, parse_matcher
from monitor.core.operation import OperationError
from monitor.core.payload import EventData
from monitor.sources.screen import personal_types
from monitor.store.rows import SilenceRow, read_all, read_first
from monitor.store.tables import silences

_CURRENT = (
    sa.select(silences)
    .where(silences.c.monitor.in_([sa.bindparam("monitor"), "*"]))
    .where(silences.c.starts_at <= sa.bindparam("at"), silences.c.ends_at > sa.bindparam("at"))
    .order_by(silences.c.id)
)


def refuse_personal(matchers: Sequence[str]) -> None:
    """Raise OperationError if matchers that somebody wrote have personal data or a secret, which must not be stored."""
    if types := personal_types(matchers):
        raise OperationError(
            f"a matcher has personal data or a secret ({', '.join(types)}), which is not stored; write the hash that "
            'messages show instead, such as segment="tenant=id:1f3a9c0b7d52"'
        )


def add_silence(connection: Connection, row: Mapping[str, object]) -> int:
    """Store a silence and return its number."""
    result = connection.execute(sa.insert(silences).values(**row))
    return int(result.inserted_primary_key[0])  # type: ignore[index]


def find_silence(connection: Connection, number: int) -> SilenceRow:
    """Return the silence with a number; raise LookupError if there is none."""
    silence = read_first(connection, SilenceRow, sa.select(silences).where(silences.c.id == number))
    if silence is None:
        raise LookupError(f"there is no silence #{number}")
    return silence


def end_silence(connection: Connection, number: int, at: datetime) -> None:
    """End a silence."""
    connection.execute(sa.update(silences).where(silences.c.id == number).values(ends_at=at))


def list_silences(connection: Connection, at: datetime) -> list[SilenceRow]:
    """Return the silences that have not ended."""
    query = sa.select(silences).where(silences.c.ends_at > at).order_by(silences.c.id)
    return read_all(connection, SilenceRow, query)


def load_silences(connection: Connection, monitor: str, at: datetime) -> list[Silence]:
    """Return the silences of a monitor, or of all monitors, that have begun and not ended, oldest first."""
    return [_read(row) for row in read_all(connection, SilenceRow, _CURRENT, {"monitor": monitor, "at": at})]


def is_silenced(connection: Connection, data: EventData, at: datetime) -> bool:
    """Return whether all findings of the incident of a message are silenced."""
    silences = load_silences(connection, data["monitor"], at)
    rule = data["incident"]["rule"].removeprefix(UNMEASURED)
    common = {"monitor": data["monitor"], "rule": rule, "severity": data["severity"]}
    findings = [
        {"check": item["check"], "column": item["column"] or "", "segment": item["segment"] or ""}
        for item in data.get("findings", ())
    ]
    return all(any(silence.matches({**common, **own}) for silence in silences) for own in findings or [{}])


def _read(row: SilenceRow) -> Silence:
    named = [
        Matcher(label, "=", value) for label, value in (("monitor", row.monitor), ("rule", row.rule)) if value != "*"
    ]
    return Silence(row.id, (*named, *(parse_matcher(text) for text in row.matchers)), row.ends_at)
