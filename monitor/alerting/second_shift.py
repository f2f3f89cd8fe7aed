"""Plateaus: what the open incidents of a monitor have led to, read from its stored buckets, each once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from detectors.base import Finding
from monitor.alerting.change_point import Plateau, second_shift
from monitor.alerting.explain import explain_moves
from monitor.alerting.incidents import NO_DATA, Incident
from monitor.checks.baseline import Baseline
from monitor.checks.detect import Window
from monitor.config.models import Monitor
from monitor.profiling.profile import add_profiles
from monitor.store import buckets
from monitor.store.database import Database


class Plateaus:
    """Compares windows with what people were told last."""

    def __init__(self, database: Database, monitor: Monitor) -> None:
        self._database, self._monitor = database, monitor
        self._held: dict[tuple[str, datetime], Plateau] = {}

    def moved(
        self, baseline: Baseline | None, standing: Mapping[str, Incident], window: Window | None
    ) -> dict[str, list[Finding]]:
        """Return by rule how a window differs from what people were told last of its firing incident, explained."""
        if baseline is None or window is None or window.end is None:
            return {}
        told = {i.rule: i.told_at for i in standing.values() if i.state == "firing" and i.rule != NO_DATA}
        whole = {rule: at for rule, at in told.items() if at and window.end - at > self._monitor.window}
        keys = {rule: (baseline.layout, at) for rule, at in whole.items()}
        self._held = {key: self._held.get(key) or self._read(key[1], baseline) for key in keys.values()}
        found = {rule: second_shift(self._monitor, baseline, self._held[key], window) for rule, key in keys.items()}
        return {rule: explain_moves(self._held[keys[rule]], window, moves) for rule, moves in found.items()}

    def _read(self, since: datetime, baseline: Baseline) -> Plateau:
        """Return the first window after a moment."""
        last = since + self._monitor.window - self._monitor.bucket
        with self._database.read() as connection:
            rows = buckets.window_rows(connection, self._monitor.name, since, last)
        kept = [row for row in rows if row.layout == baseline.layout]
        parts = [buckets.decode_profiles(row, baseline.layouts) for row in kept]
        return Plateau(add_profiles(parts), tuple(row.start for row in kept))
