"""Comparing: the experiments of one monitor at work. Every bucket adds its sums; what lies before is caught up with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from detectors.base import Finding, Status
from detectors.records import Records, unseen
from monitor.act import Action
from monitor.announce import announce, thread_of
from monitor.arms import Experiment, Shadow
from monitor.config import ConfigError, Monitor
from monitor.engine import build
from monitor.engine.arms import CHECK, Arms, definition, findings_of, needed
from monitor.engine.learn import with_signals
from monitor.schedule import Bucket, floor
from monitor.sections import nearest
from monitor.signals import name_of, resolve
from monitor.sources.base import Reader
from monitor.store import buckets, comparisons, outbox
from monitor.store.comparisons import Compared, Standing, Tallied
from monitor.store.database import Database

LOG = structlog.get_logger(__name__)
AT_ONCE = timedelta(hours=6)
"""How much of the log is caught up with in one turn; live buckets come first."""


class Comparing:
    """The experiments of a monitor: begun, added to, caught up with."""

    def __init__(self, database: Database, monitor: Monitor) -> None:
        self._database = database
        self._monitor = monitor
        self._definitions = {spec.name: definition(monitor, spec) for spec in monitor.experiments}
        self._prepared = False

    def prepare(self, reader: Reader) -> None:
        """Begin what is new or counts something else now, once a process; forget what is no longer asked for."""
        if self._prepared:
            return
        monitor = self._monitor
        with self._database.read() as connection:
            held = comparisons.positions(connection, monitor.name)
        wanted = {("experiment", spec.name): spec for spec in monitor.experiments}
        new = [spec for key, spec in wanted.items() if key not in held or held[key][0] != self._definitions[key[1]]]
        oldest = reader.oldest() if new else None
        with self._database.write() as connection:
            comparisons.forget(connection, monitor.name, set(held) - set(wanted))
            for spec in new:
                first = floor(max(spec.start, oldest or spec.start), monitor.bucket)
                fingerprint = self._definitions[spec.name]
                comparisons.begin(connection, monitor.name, "experiment", spec.name, fingerprint, first)
                LOG.info("experiment_begun", monitor=monitor.name, experiment=spec.name, since=str(first))
        self._prepared = True

    def take(self, bucket: Bucket, arms: Mapping[str, Arms], schema: Mapping[str, str], *, live: bool) -> Compared:
        """Return what a bucket adds, what every experiment says with it and, where it is ``live``, the messages."""
        monitor = self._monitor
        if not monitor.experiments:
            return Compared()
        with self._database.read() as connection:
            held = comparisons.standing(connection, monitor.name)
        tallied: list[tuple[Tallied, Mapping[str, Any] | None]] = []
        findings: list[Finding] = []
        news: list[Action] = []
        for spec in monitor.experiments:
            stands = held.get(("experiment", spec.name))
            if stands is None or stands.definition != self._definitions[spec.name] or bucket.end <= spec.start:
                continue
            if spec.end is not None and bucket.start >= spec.end:
                findings += _ended(spec, stands)
                continue
            missing = [name for name in needed(spec) if name not in {*schema, *_made(monitor)}]
            if missing or bucket.start != stands.next:
                reason = _missing(spec, missing) if missing else _behind(spec, stands)
                findings.append(_unknown(spec, reason))
                tallied.append((self._tallied(spec, bucket.start, arms[spec.name]), None))
                continue
            told = (_total(spec, stands) + arms[spec.name]).told(stands.told, bucket.end)
            if live and "slack" in spec.do:
                news += self._news(spec, told, bucket)
            tallied.append((self._tallied(spec, bucket.start, arms[spec.name]), told))
            findings += findings_of(spec, told)
        return Compared(tallied, findings, news, monitor.bucket)

    def catch_up(self, reader: Reader) -> None:
        """Add what lies between a comparison's sum and the live buckets, read from the log where nobody counted it."""
        monitor = self._monitor
        if not monitor.experiments:
            return
        with self._database.read() as connection:
            places = comparisons.positions(connection, monitor.name)
            spans = buckets.list_spans(connection, monitor.name)
        reached = next((span.next for span in spans if span.kind == "live"), None)
        for spec in monitor.experiments:
            known, place = places.get(("experiment", spec.name), ("", None))
            until = min(reached, spec.end) if reached and spec.end else reached
            if place is None or until is None or known != self._definitions[spec.name] or place >= until:
                continue
            with self._database.read() as connection:
                stands = comparisons.standing(connection, monitor.name)["experiment", spec.name]
            self._catch_up(reader, spec, stands, min(until, stands.next + max(AT_ONCE, monitor.bucket)))

    def _catch_up(self, reader: Reader, spec: Experiment, stands: Standing, until: datetime) -> None:
        monitor, total, told = self._monitor, _total(spec, stands), stands.told
        found: list[tuple[Tallied, Mapping[str, Any]]] = []
        with self._database.read() as connection:
            counted = set(comparisons.stored_starts(connection, monitor.name, "experiment", spec.name, stands.next))
        for start, read in self._arms(reader, spec, stands.next, until, counted):
            total = total + read
            told = total.told(told, start + monitor.bucket)
            found.append((self._tallied(spec, start, read), told))
        with self._database.write() as connection:
            for tallied, said in found:
                if not comparisons.add(connection, monitor.name, tallied, monitor.bucket, said):
                    return
                buckets.add_findings(connection, monitor.name, tallied.start, findings_of(spec, said))

    def _arms(
        self, reader: Reader, spec: Experiment, start: datetime, until: datetime, counted: set[datetime]
    ) -> Iterator[tuple[datetime, Arms]]:
        """Yield the sums of each bucket, oldest first: as stored, or read from the log."""
        step = self._monitor.bucket
        while start < until:
            stop = start + step
            if start in counted:
                with self._database.read() as connection:
                    data = comparisons.sums_at(connection, self._monitor.name, "experiment", spec.name, start)
                yield start, Arms.from_json(spec, data)
            else:
                arms = Arms(spec)
                for page in records_of(reader, self._monitor, spec, start, stop):
                    arms.add(page)
                yield start, arms
            start = stop

    def _tallied(self, spec: Experiment, start: datetime, arms: Arms) -> Tallied:
        read = partial(Arms.from_json, spec)
        return Tallied("experiment", spec.name, self._definitions[spec.name], start, arms, read)

    def _news(self, spec: Experiment, told: dict[str, Any], bucket: Bucket) -> Iterator[Action]:
        """Yield a message of each verdict that was not announced, and note that it is."""
        for treatment, one in told.items():
            if one["verdict"] == one["announced"]:
                continue
            with self._database.read() as connection:
                place = outbox.next_sequence(connection, thread_of(self._monitor.name, spec.name, treatment))
            one["announced"] = one["verdict"]
            yield announce(self._monitor, spec, treatment, one, bucket, place)


def records_of(
    reader: Reader, monitor: Monitor, spec: Experiment | Shadow, start: datetime, end: datetime
) -> Iterator[Records]:
    """Yield the pages of a stretch with all that a comparison needs, signals added, no id twice."""
    asked, schema = needed(spec), reader.schema()
    signals = resolve(monitor.signals)
    made = [entry for entry, signal in zip(monitor.signals, signals, strict=True) if signal.name in asked]
    roles = [role for signal in signals if signal.name in asked for role in (*signal.needs, *signal.uses)]
    columns = [name for name in dict.fromkeys([*asked, *roles, "id"]) if name in schema]
    seen = set[object]()
    for page in build.pages(reader, columns, start, end):
        yield with_signals(unseen(page, seen), made)


def check_columns(reader: Reader, monitor: Monitor, spec: Experiment | Shadow) -> None:
    """Refuse a comparison of what is neither logged nor computed."""
    known = {*reader.schema(), *_made(monitor)}
    missing = [name for name in needed(spec) if name not in known]
    if missing:
        hint = nearest(missing[0], sorted(known))
        raise ConfigError(f"{spec.name}: {missing[0]!r} is no column and no signal of {monitor.name}.{hint}")


def _made(monitor: Monitor) -> list[str]:
    return [name_of(entry) for entry in monitor.signals]


def _total(spec: Experiment, stands: Standing) -> Arms:
    return Arms(spec) if stands.total is None else Arms.from_json(spec, stands.total)


def _ended(spec: Experiment, stands: Standing) -> list[Finding]:
    """Return what stands of an experiment that is over; it fires nothing any more."""
    return [
        replace(finding, status=Status.OK, statistic=None, reason=f"it has ended; {finding.reason}")
        for finding in findings_of(spec, stands.told)
    ]


def _unknown(spec: Experiment, reason: str) -> Finding:
    return Finding(CHECK, spec.name, "verdict", None, Status.INCONCLUSIVE, reason)


def _missing(spec: Experiment, missing: Sequence[str]) -> str:
    return f"missing_column: experiment {spec.name} compares {missing[0]!r}, which is not logged"


def _behind(spec: Experiment, stands: Standing) -> str:
    return f"catching_up: experiment {spec.name} is counted up to {stands.next.isoformat()}"
