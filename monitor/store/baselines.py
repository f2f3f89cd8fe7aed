"""Baselines: learnt, frozen and replaced, never changed in place."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from detectors.binning import Binning
from detectors.family import Family, classify
from detectors.profile import samples
from detectors.quality.traffic import Traffic
from monitor.checks.anchor import notes_on
from monitor.checks.baseline import Baseline
from monitor.checks.calibration import Calibration
from monitor.profiling.bucket_profiles import pack_profiles, unpack_profiles
from monitor.store.database import now
from monitor.store.encoding import (
    pack_layouts,
    pack_slots,
    unpack_layouts,
    unpack_slots,
)
from monitor.store.rows import columns, read_first
from monitor.store.tables import baselines


@dataclass(frozen=True)
class BaselineIdentity:
    """Id, state and fingerprint that tell whether a loaded baseline is still current."""

    id: int
    state: str
    calibrated: str | None


class BaselineFacts(TypedDict, total=False):
    """The facts of a baseline about its traffic."""

    bucket_rows: Sequence[int]
    bucket_seconds: float
    schema: Mapping[str, str]


@dataclass(frozen=True)
class StoredBaseline:
    """A row of a baseline."""

    id: int
    state: str
    layout: str
    start: datetime | None
    end: datetime | None
    rows: int
    layouts: bytes
    profiles: bytes | None
    facts: BaselineFacts | None
    calibration: Mapping[str, object] | None
    slots: bytes | None


def layout_name(packed: bytes) -> str:
    """Return the fingerprint of all bins of a baseline."""
    return hashlib.sha256(packed).hexdigest()[:16]


def newest(connection: Connection, monitor: str, definition: str) -> Baseline | None:
    """Return the active baseline of a definition, or the one being learnt."""
    row = read_first(connection, StoredBaseline, _select_newest(monitor, definition, StoredBaseline))
    return _baseline(row) if row else None


def notes(connection: Connection, monitor: str) -> list[str]:
    """Return the problems of the newest baseline of a monitor: of its range and of its total change."""
    row = connection.execute(
        sa.select(baselines.c.facts)
        .where(baselines.c.monitor == monitor, baselines.c.state != "retired")
        .order_by(baselines.c.id.desc())
        .limit(1)
    ).one_or_none()
    facts = (row.facts or {}) if row else {}
    return notes_on(Baseline(0, "", {}, {}, Traffic((), 0.0), 0, facts=facts))


def thresholds(connection: Connection, monitor: str) -> Calibration:
    """Return the calibration of the active baseline of a monitor."""
    row = connection.execute(
        sa.select(baselines.c.calibration)
        .where(baselines.c.monitor == monitor, baselines.c.state == "active")
        .order_by(baselines.c.id.desc())
        .limit(1)
    ).one_or_none()
    return Calibration.from_json(row.calibration if row else None)


def families(connection: Connection, monitor: str) -> dict[str, Family]:
    """Return the family of each column of the active baseline of a monitor, over all rows."""
    row = connection.execute(
        sa.select(baselines.c.layouts, baselines.c.profiles)
        .where(baselines.c.monitor == monitor, baselines.c.state == "active")
        .order_by(baselines.c.id.desc())
        .limit(1)
    ).one_or_none()
    if row is None or not row.profiles:
        return {}
    profiles = samples(unpack_profiles(row.profiles, unpack_layouts(row.layouts)))
    by_column = {column: classify(profile) for column, profile in profiles.get(None, {}).items()}
    return {column: family for column, family in by_column.items() if family is not None}


def newest_id(connection: Connection, monitor: str, definition: str) -> tuple[int, str, str] | None:
    """Return only id, state and fingerprint of the calibration; cheap enough for every bucket."""
    row = read_first(connection, BaselineIdentity, _select_newest(monitor, definition, BaselineIdentity))
    return (row.id, row.state, row.calibrated or "") if row else None


def _select_newest(monitor: str, definition: str, kind: type[object]) -> sa.Executable:
    return (
        sa.select(*columns(baselines, kind))
        .where(
            baselines.c.monitor == monitor,
            baselines.c.definition == definition,
            baselines.c.state.in_(["active", "learning"]),
        )
        .order_by(baselines.c.id.desc())
        .limit(1)
    )


RETIRED: Mapping[str, object] = {"state": "retired", "layouts": pack_layouts({}), "profiles": None, "slots": None}
"""Values of a retired baseline: its contents are deleted, because categories may contain texts of users."""
VERSION_1 = "1:"
"""Prefix that migration 0017 added to the existing fingerprints."""


def version_1_fingerprints(connection: Connection, monitor: str) -> list[str]:
    """Return the fingerprints of version 1 of the baselines that are not retired."""
    wanted = sa.select(baselines.c.definition).distinct()
    rows = connection.execute(wanted.where(_is_version_1(monitor))).scalars()
    return [definition.removeprefix(VERSION_1) for definition in rows]


def redefine(connection: Connection, monitor: str, old: Sequence[str], definition: str) -> None:
    """Replace the fingerprints of version 1 by the fingerprint of this release."""
    is_old = baselines.c.definition.in_([VERSION_1 + one for one in old])
    connection.execute(sa.update(baselines).where(_is_version_1(monitor), is_old).values(definition=definition))


def _is_version_1(monitor: str) -> sa.ColumnElement[bool]:
    return sa.and_(
        baselines.c.monitor == monitor,
        baselines.c.state != "retired",
        baselines.c.definition.startswith(VERSION_1),
    )


def start_learning(
    connection: Connection,
    monitor: str,
    definition: str,
    layouts: Mapping[str, Binning],
    start: datetime | None,
    end: datetime | None,
) -> int:
    """Store the bins and return the id; profiles follow when every bucket of the range is finished."""
    packed = pack_layouts(layouts)
    result = connection.execute(
        sa.insert(baselines).values(
            monitor=monitor,
            definition=definition,
            state="learning",
            layout=layout_name(packed),
            start=start,
            end=end,
            rows=0,
            layouts=packed,
            created_at=now(connection),
        )
    )
    return int(result.inserted_primary_key[0])  # type: ignore[index]


def freeze(connection: Connection, identity: int, summed: Baseline, facts: Mapping[str, object]) -> None:
    """Activate a baseline with its profiles and thresholds, and retire earlier ones."""
    row = connection.execute(sa.select(baselines.c.monitor).where(baselines.c.id == identity)).one()
    connection.execute(
        sa.update(baselines)
        .where(baselines.c.monitor == row.monitor, baselines.c.id < identity, baselines.c.state != "retired")
        .values(**RETIRED)
    )
    connection.execute(
        sa.update(baselines)
        .where(baselines.c.id == identity)
        .values(state="active", profiles=pack_profiles(summed.profiles), rows=summed.rows, facts=dict(facts))
    )
    save_calibration(connection, identity, summed)


def save_calibration(connection: Connection, identity: int, summed: Baseline) -> None:
    """Store the thresholds and the seasonal references of a baseline."""
    connection.execute(
        sa.update(baselines)
        .where(baselines.c.id == identity)
        .values(
            calibrated=summed.calibration.definition,
            calibration=summed.calibration.to_json(),
            slots=pack_slots(summed.slots),
        )
    )


def renew(
    connection: Connection,
    old: Baseline,
    summed: Baseline,
    facts: Mapping[str, object],
    start: datetime,
    end: datetime,
) -> None:
    """Replace a rolling baseline by a newer sum over the same bins."""
    query = sa.select(baselines.c.monitor, baselines.c.definition).where(baselines.c.id == old.id)
    row = connection.execute(query).one()
    identity = start_learning(connection, row.monitor, row.definition, old.layouts, start, end)
    freeze(connection, identity, summed, facts)


def retire(connection: Connection, monitor: str) -> None:
    """Retire every baseline of a monitor and delete its contents, so that the next pass learns a new one."""
    connection.execute(sa.update(baselines).where(baselines.c.monitor == monitor).values(**RETIRED))


def _baseline(row: StoredBaseline) -> Baseline:
    layouts = unpack_layouts(row.layouts)
    facts = row.facts or BaselineFacts()
    return Baseline(
        id=row.id,
        layout=row.layout,
        layouts=layouts,
        profiles=unpack_profiles(row.profiles, layouts) if row.profiles else {},
        traffic=Traffic(
            bucket_rows=tuple(facts.get("bucket_rows", ())),
            bucket_seconds=float(facts.get("bucket_seconds", 0)),
            schema=facts.get("schema", {}),
        ),
        rows=row.rows,
        start=row.start,
        end=row.end,
        state=row.state,
        facts=facts,
        calibration=Calibration.from_json(row.calibration),
        slots=unpack_slots(row.slots, layouts),
    )


def load_layouts(connection: Connection, monitor: str) -> dict[str, dict[str, Binning]]:
    """Return the bins of the baselines of a monitor that are not retired, by fingerprint."""
    query = sa.select(baselines.c.layout, baselines.c.layouts)
    rows = connection.execute(query.where(baselines.c.monitor == monitor, baselines.c.state != "retired"))
    return {layout: unpack_layouts(packed) for layout, packed in rows}


def load_ranges(connection: Connection, monitor: str) -> list[tuple[datetime, datetime]]:
    """Return the ranges of the baselines of a monitor that are not retired."""
    query = sa.select(baselines.c.start, baselines.c.end)
    rows = connection.execute(query.where(baselines.c.monitor == monitor, baselines.c.state != "retired"))
    return [(start, end) for start, end in rows if start is not None and end is not None]


def delete_retired(connection: Connection, monitor: str, before: datetime) -> int:
    """Delete the retired baselines that were made before a time; their contents are deleted when they retire."""
    old = sa.and_(baselines.c.monitor == monitor, baselines.c.state == "retired", baselines.c.created_at < before)
    return connection.execute(sa.delete(baselines).where(old)).rowcount
