"""Comparing: experiments and shadows of one monitor at work. Every bucket adds its sums; the past is caught up with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from detectors.base import Finding, Status
from detectors.records import Records, unseen
from monitor.actions.notifications import announce, announce_shadow, thread_key
from monitor.config.arms import Experiment, Shadow
from monitor.config.models import ConfigError, Monitor
from monitor.config.receivers import ReceiverConfig
from monitor.config.sections import nearest
from monitor.config.signals import column_name, resolve
from monitor.core.action import Action, AlertHistory
from monitor.core.schedule import Bucket, floor
from monitor.jobs import build_baseline
from monitor.profiling.ab_counts import CHECK as EXPERIMENT
from monitor.profiling.ab_counts import Arms, definition, experiment_findings, required_columns
from monitor.profiling.learn import with_signals
from monitor.profiling.profile import Profiled, deciding_columns
from monitor.profiling.served import keep_served
from monitor.profiling.shadow_join import CHECK as SHADOW
from monitor.profiling.shadow_join import Joiner, Pairs, shadow_findings
from monitor.sources.base import Reader
from monitor.store import buckets, comparisons, incidents, outbox
from monitor.store.buckets import Claim
from monitor.store.comparisons import Compared, Standing, Tallied
from monitor.store.database import Connection, Database

LOG = structlog.get_logger(__name__)
AT_ONCE = timedelta(hours=6)
"""How much of the log is caught up with in one turn; live buckets come first."""

Key = tuple[str, str]
"""Kind and name of a comparison."""


class Comparing:
    """The experiments and shadows of one monitor: begun, added to, caught up with.

    An experiment counts the rows of a bucket as it is profiled. A shadow counts a bucket when the records that may
    still answer its requests are there, so it is always caught up with.
    """

    def __init__(self, database: Database, monitor: Monitor) -> None:
        self._database = database
        self._monitor = monitor
        self._specs: dict[Key, Experiment | Shadow] = {
            **{(EXPERIMENT, spec.name): spec for spec in monitor.experiments},
            **{(SHADOW, spec.name): spec for spec in monitor.shadows},
        }
        self._definitions = {key: definition(monitor, spec) for key, spec in self._specs.items()}
        self._prepared = False

    def prepare(self, reader: Reader) -> None:
        """Begin what is new or counts something else now, once a process; forget what is no longer asked for."""
        if self._prepared:
            return
        monitor = self._monitor
        with self._database.read() as connection:
            held = comparisons.positions(connection, monitor.name)
        new = [key for key in self._specs if key not in held or held[key][0] != self._definitions[key]]
        oldest = reader.oldest() if new else None
        with self._database.write() as connection:
            comparisons.forget(connection, monitor.name, set(held) - set(self._specs))
            for key in new:
                start = self._specs[key].start
                first = floor(max(start, oldest or start), monitor.bucket)
                comparisons.begin(connection, monitor.name, *key, self._definitions[key], first)
                LOG.info("comparison_begun", monitor=monitor.name, kind=key[0], name=key[1], since=str(first))
        self._prepared = True

    def recount(
        self, claim: Claim, standing: Mapping[Key, Standing], reader: Reader, schema: Mapping[str, str]
    ) -> list[Tallied]:
        """Join again the pairs that late records of a bucket may belong to."""
        return [
            tallied
            for key, spec in self._specs.items()
            if isinstance(spec, Shadow) and (stands := self._counting(key, standing, claim.bucket)) is not None
            for tallied in self._again(reader, spec, stands, claim, schema)
        ]

    def take(
        self,
        bucket: Bucket,
        profiled: Profiled,
        standing: Mapping[Key, Standing],
        past: AlertHistory,
        recounted: Sequence[Tallied],
        receivers: Mapping[str, ReceiverConfig],
        *,
        live: bool,
    ) -> Compared:
        """Return what a bucket adds, what comparisons say with it and, where it is ``live``, what is told. Pure."""
        monitor = self._monitor
        if not self._specs:
            return Compared()
        tallied: list[tuple[Tallied, Mapping[str, Any] | None]] = [(each, None) for each in recounted]
        findings: list[Finding] = []
        news: list[Action] = []
        known = {*profiled.facts.schema, *_derived_columns(monitor)}
        for key, spec in self._specs.items():
            stands = self._counting(key, standing, bucket)
            if stands is None:
                continue
            if spec.end is not None and bucket.start >= spec.end:
                findings += _closing_findings(spec, stands)
                continue
            missing = [name for name in required_columns(spec) if name not in known]
            if missing:
                findings.append(_unknown(key, f"missing_column: it compares {missing[0]!r}, which is not logged"))
            if isinstance(spec, Shadow):
                findings += [] if missing else shadow_findings(spec, stands.told)
                continue
            arms = profiled.arms[spec.name]
            told: dict[str, Any] | None = None
            if not missing and bucket.start != stands.next:
                findings.append(_unknown(key, f"catching_up: it is counted up to {stands.next.isoformat()}"))
            elif not missing:
                told = (_arms(spec, stands) + arms).told(stands.told, bucket.end)
                news += _announcements(monitor, spec, told, bucket, past, receivers) if live and spec.do else []
                findings += experiment_findings(spec, told)
            tallied.append((self._tallied(spec, bucket.start, arms), told))
        return Compared(tallied, findings, news, monitor.bucket)

    def catch_up(self, reader: Reader, receivers: Mapping[str, ReceiverConfig], now: datetime) -> None:
        """Add what lies between a comparison's sum and the live buckets, read from the log where nobody counted it."""
        monitor = self._monitor
        if not self._specs:
            return
        with self._database.read() as connection:
            places = comparisons.positions(connection, monitor.name)
            spans = buckets.list_spans(connection, monitor.name)
        reached = next((span.next for span in spans if span.kind == "live"), None)
        for key, spec in self._specs.items():
            known, place = places.get(key, ("", None))
            if reached is None or place is None or known != self._definitions[key]:
                continue
            until = reached if isinstance(spec, Experiment) else floor(reached - spec.within, monitor.bucket)
            until = min(until, spec.end) if spec.end else until
            if place >= until:
                continue
            with self._database.read() as connection:
                stands = comparisons.standing(connection, monitor.name)[key]
            last = until
            until = min(until, stands.next + max(AT_ONCE, monitor.bucket))
            if isinstance(spec, Experiment):
                self._catch_up(reader, spec, stands, until)
            else:
                self._pair_up(reader, spec, stands, until, receivers, now if until == last else None)

    def _catch_up(self, reader: Reader, spec: Experiment, stands: Standing, until: datetime) -> None:
        monitor, total, told = self._monitor, _arms(spec, stands), stands.told
        found: list[tuple[Tallied, Mapping[str, Any]]] = []
        with self._database.read() as connection:
            counted = set(comparisons.bucket_starts(connection, monitor.name, EXPERIMENT, spec.name, stands.next))
        for start, read in self._read(reader, spec, stands.next, until, counted):
            total = total + read
            told = total.told(told, start + monitor.bucket)
            found.append((self._tallied(spec, start, read), told))
        with self._database.write() as connection:
            for tallied, said in found:
                if not comparisons.add(connection, monitor.name, tallied, monitor.bucket, said):
                    return
                buckets.add_findings(connection, monitor.name, tallied.start, experiment_findings(spec, said))

    def _read(
        self, reader: Reader, spec: Experiment, start: datetime, until: datetime, counted: set[datetime]
    ) -> Iterator[tuple[datetime, Arms]]:
        """Yield the sums of each bucket, oldest first: as stored, or read from the log."""
        step = self._monitor.bucket
        while start < until:
            if start in counted:
                with self._database.read() as connection:
                    data = comparisons.sums_at(connection, self._monitor.name, EXPERIMENT, spec.name, start)
                yield start, Arms.from_json(spec, data or {})
            else:
                arms = Arms(spec)
                for page in read_pages(reader, self._monitor, spec, start, start + step):
                    arms.add(page)
                yield start, arms
            start += step

    def _pair_up(
        self,
        reader: Reader,
        spec: Shadow,
        stands: Standing,
        until: datetime,
        receivers: Mapping[str, ReceiverConfig],
        at: datetime | None,
    ) -> None:
        """Count the next buckets of a shadow, and what it says with them; told to people when it has caught up."""
        total = Pairs(spec) if stands.total is None else Pairs.from_json(spec, stands.total)
        found = list(join_shadow(reader, self._monitor, spec, stands.next, until, self._monitor.bucket))
        for _, sums in found:
            total = total + sums
        with self._database.write() as connection:
            for place, (start, sums) in enumerate(found, start=1):
                told = total.told(stands.told) if place == len(found) else None
                news = self._news_of(connection, spec, told, start, receivers, at) if told and at and spec.do else []
                tallied = self._tallied(spec, start, sums)
                if not comparisons.add(connection, self._monitor.name, tallied, self._monitor.bucket, told):
                    return
                outbox.save_actions(connection, news)

    def _news_of(
        self,
        connection: Connection,
        spec: Shadow,
        told: dict[str, Any],
        start: datetime,
        receivers: Mapping[str, ReceiverConfig],
        at: datetime,
    ) -> list[Action]:
        """Return the messages of what a shadow concludes, unless it was announced, and note that it is."""
        rule = f"{SHADOW}.{spec.name}"
        if told["verdict"] == told["announced"] or incidents.find_silence(connection, self._monitor.name, rule, at):
            return []
        told["announced"] = told["verdict"]
        thread = thread_key(self._monitor.name, spec.name, spec.challenger, "shadow")
        place = outbox.next_sequence(connection, thread)
        return announce_shadow(self._monitor, spec, told, start + self._monitor.bucket, place, at, receivers)

    def _counting(self, key: Key, standing: Mapping[Key, Standing], bucket: Bucket) -> Standing | None:
        """Return how a comparison stands to which a bucket belongs."""
        stands = standing.get(key)
        if stands is None or stands.definition != self._definitions[key] or bucket.end <= self._specs[key].start:
            return None
        return stands

    def _again(
        self, reader: Reader, spec: Shadow, stands: Standing, claim: Claim, schema: Mapping[str, str]
    ) -> list[Tallied]:
        """Count the pairs again that late records of a bucket may belong to."""
        step = self._monitor.bucket
        start = max(floor(claim.bucket.start - spec.within, step), floor(spec.start, step))
        until = min(floor(claim.bucket.end + spec.within + step, step), stands.next)
        if claim.revision == 0 or start >= until:
            return []
        found = join_shadow(reader, self._monitor, spec, start, until, step, schema)
        return [self._tallied(spec, at, sums) for at, sums in found]

    def _tallied(self, spec: Experiment | Shadow, start: datetime, sums: Arms | Pairs) -> Tallied:
        read: Any
        if isinstance(spec, Experiment):
            key, read = (EXPERIMENT, spec.name), partial(Arms.from_json, spec)
        else:
            key, read = (SHADOW, spec.name), partial(Pairs.from_json, spec)
        return Tallied(*key, self._definitions[key], start, sums, read)


def _announcements(
    monitor: Monitor,
    spec: Experiment,
    told: dict[str, Any],
    bucket: Bucket,
    past: AlertHistory,
    receivers: Mapping[str, ReceiverConfig],
) -> Iterator[Action]:
    """Yield the messages of each verdict that was not announced, and note that it is; none while it is silenced."""
    if f"{EXPERIMENT}.{spec.name}" in past.silences:
        return
    for treatment, one in told.items():
        if one["verdict"] != one["announced"]:
            one["announced"] = one["verdict"]
            sequence = past.sequences[thread_key(monitor.name, spec.name, treatment)]
            yield from announce(monitor, spec, treatment, one, bucket, sequence, receivers)


def join_shadow(
    reader: Reader,
    monitor: Monitor,
    spec: Shadow,
    start: datetime,
    until: datetime,
    step: timedelta,
    schema: Mapping[str, str] | None = None,
) -> Iterator[tuple[datetime, Pairs]]:
    """Yield the pairs of each step of a stretch; the records of ``within`` around it are read too."""
    joiner = Joiner(spec, start, until, step)
    for page in read_pages(reader, monitor, spec, start - spec.within, until + spec.within, schema):
        joiner.add(page)
    yield from joiner.finish()


def read_pages(
    reader: Reader,
    monitor: Monitor,
    spec: Experiment | Shadow,
    start: datetime,
    end: datetime,
    schema: Mapping[str, str] | None = None,
) -> Iterator[Records]:
    """Yield the pages of a stretch with all that a comparison counts, signals added, no id twice."""
    asked = required_columns(spec)
    schema = reader.schema() if schema is None else schema
    signals = resolve(monitor.signals)
    made = [entry for entry, signal in zip(monitor.signals, signals, strict=True) if signal.name in asked]
    roles = [role for signal in signals if signal.name in asked for role in (*signal.needs, *signal.uses)]
    wanted = [*asked, *roles, *deciding_columns(monitor, schema), "id"]
    columns = [name for name in dict.fromkeys(wanted) if name in schema]
    seen = set[object]()
    for page in build_baseline.pages(reader, columns, start, end):
        yield keep_served(with_signals(unseen(page, seen), made), monitor, spec)


def check_columns(reader: Reader, monitor: Monitor, spec: Experiment | Shadow) -> None:
    """Refuse a comparison of what is neither logged nor computed."""
    known = {*reader.schema(), *_derived_columns(monitor)}
    missing = [name for name in required_columns(spec) if name not in known]
    if missing:
        hint = nearest(missing[0], sorted(known))
        raise ConfigError(f"{spec.name}: {missing[0]!r} is no column and no signal of {monitor.name}.{hint}")


def _derived_columns(monitor: Monitor) -> list[str]:
    return [column_name(entry) for entry in monitor.signals]


def _arms(spec: Experiment, stands: Standing) -> Arms:
    return Arms(spec) if stands.total is None else Arms.from_json(spec, stands.total)


def _closing_findings(spec: Experiment | Shadow, stands: Standing) -> list[Finding]:
    """Return what stands of a comparison that is over; it fires nothing any more."""
    found = (
        experiment_findings(spec, stands.told) if isinstance(spec, Experiment) else shadow_findings(spec, stands.told)
    )
    return [
        replace(finding, status=Status.OK, statistic=None, reason=f"it has ended; {finding.reason}")
        for finding in found
    ]


def _unknown(key: Key, reason: str) -> Finding:
    kind, name = key
    return Finding(kind, name, "verdict" if kind == EXPERIMENT else "agreement", None, Status.INCONCLUSIVE, reason)
