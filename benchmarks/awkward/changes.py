"""Changes put into awkward streams: how many are found within eight days, how late, and what pathologies add to it.

A change counts as found when people are told of its column, or of the joint distribution; an alert about another
column is none.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.awkward import fast, streams
from benchmarks.awkward.goals import Goal
from benchmarks.awkward.quiet import WEEK
from benchmarks.detection import tables
from benchmarks.detection.streams import DAY, HOUR, Stream
from detectors.joint import JOINT
from monitor.checks.baseline import Baseline

RECALL_WITHIN = 8 * DAY
DEAF_AFTER = 3 * DAY
"""After so long a change of the deafness part counts as missed."""
STARTS = (1.0, 2.3, 3.6)
"""Days of the live part at which the deafness part puts a change."""
SLOWER = 1.2
BUCKET_HOURS = 1 / 12
LATEST = {"flag_5e-3": 12.0, "errors_5pct": 1.0, "shift_0.3": 10 * BUCKET_HOURS}
ROUNDING = 1e-9
"""Hours within which the median of the kinds with the usual traffic is to be found.

The last is what it took (0.79 h over 12 streams, in whole buckets) when one limit was shared by all columns.
"""


@dataclass(frozen=True)
class Found:
    """How late one change was found, in hours; infinite when it was missed."""

    kind: str
    change: str
    seed: int
    start: float
    hours: float


def of_stream(kind: str, seed: int) -> list[Found]:
    """Put every change into one stream, a day after its baseline ends, and learn that baseline once."""
    stream = streams.quiet(kind, seed)
    return list(_found(kind, seed, stream, streams.CHANGES, [1 + seed * 7 % 24 / 24], RECALL_WITHIN))


def of_pathology(pathology: str, seed: int) -> list[Found]:
    """Put the five changes of the deafness part into a stream with one pathology, at three moments each."""
    stream = streams.ailing(pathology, seed, weeks=1)
    return list(_found(pathology, seed, stream, streams.DEAFNESS, STARTS, DEAF_AFTER))


def _found(
    kind: str, seed: int, stream: Stream, changes: Mapping[str, streams.Change], starts: Sequence[float], within: Any
) -> Iterator[Found]:
    settings = streams.settings(kind)
    baseline = fast.learn(stream, WEEK, **settings)
    for name, change in changes.items():
        for start in starts:
            at = moment(stream, start)
            part = streams.changed(streams.first(stream, at + within), name, at, seed)
            hours = _delay(part, change.column, baseline, settings)
            yield Found(kind, name, seed, start, hours)


def moment(stream: Stream, days: float) -> pd.Timestamp:
    """Return the bucket in which rows arrive again after so many days of the live part."""
    wanted = stream.learn_until + pd.Timedelta(minutes=round(days * 24 * 60))
    after = int(stream.frame["timestamp"].searchsorted(wanted))
    return stream.frame["timestamp"].iloc[after].floor(pd.Timedelta(stream.bucket))


def _delay(stream: Stream, column: str, baseline: Baseline, settings: Mapping[str, Any]) -> float:
    at = stream.changes[0]
    report = fast.run(stream, WEEK, baseline, (at - stream.window).to_pydatetime(), **settings)
    told = [_first_told(incident, {column, JOINT}, at) for incident in report["incidents"]]
    return min((each for each in told if each is not None), default=np.inf)


def _first_told(incident: Mapping[str, Any], columns: set[str], at: pd.Timestamp) -> float | None:
    """Return how many hours after a change people were told of one of the columns."""
    times = [each["at"] for each in incident["changes"] if columns & set(each["columns"])]
    if not times and columns & set(incident["columns"]):
        times = [incident["fired_at"]]  # it joined an alert within the window, and is told in its thread
    late = [(datetime.fromisoformat(time) - at.to_pydatetime()) / HOUR for time in times]
    return min((hours for hours in late if hours > 0), default=None)


# ------------------------------------------------------------------------------------------------------------ changes


def table(kinds: Sequence[str], results: Sequence[Found]) -> str:
    """Return recall and median delay of each change by kind, and over the kinds with the usual traffic."""
    rows = [[kind, *(spoken(_hours(results, [kind], change)) for change in streams.CHANGES)] for kind in kinds]
    rows.append(["usual traffic", *(spoken(_hours(results, usual(kinds), change)) for change in streams.CHANGES)])
    rows.append(["all", *(spoken(_hours(results, kinds, change)) for change in streams.CHANGES)])
    return tables.table(["kind", *streams.CHANGES], rows)


def usual(kinds: Sequence[str]) -> list[str]:
    """Return the kinds that have 400 rows an hour from the start, and no bursts."""
    return [kind for kind in kinds if streams.KINDS[kind].arrive is streams.usual]


def spoken(hours: Sequence[float]) -> str:
    """Return the median delay and the recall as text."""
    if not hours:
        return "not run"
    median = statistics.median(hours)
    found = sum(np.isfinite(hours))
    return f"{'missed' if np.isinf(median) else f'{median:.2f} h'}, {found}/{len(hours)}"


def goals(kinds: Sequence[str], results: Sequence[Found]) -> list[Goal]:
    """Return what is wanted of the delays over the kinds with the usual traffic."""
    wanted = []
    for change, latest in LATEST.items():
        hours = _hours(results, usual(kinds), change)
        if hours:
            is_met = statistics.median(hours) <= latest + ROUNDING
            wanted.append(Goal(f"{change}: median delay at most {latest:g} h", spoken(hours), is_met))
    return wanted


def _hours(results: Sequence[Found], kinds: Sequence[str], change: str) -> list[float]:
    return [one.hours for one in results if one.kind in kinds and one.change == change]


# ----------------------------------------------------------------------------------------------------------- deafness


def deafness_table(pathologies: Sequence[str], results: Sequence[Found]) -> str:
    """Return the median delay of each change beside each pathology, and its ratio to that of the clean stream."""
    rows = []
    for pathology in pathologies:
        cells = []
        for change in streams.DEAFNESS:
            hours, clean = (_hours(results, [name], change) for name in (pathology, streams.CLEAN))
            ratio = _ratio(hours, clean)
            cells.append(f"{spoken(hours)}" + ("" if pathology == streams.CLEAN else f", x {ratio:.2f}"))
        rows.append([pathology, *cells])
    return tables.table(["added to a clean stream", *streams.DEAFNESS], rows)


def deafness_goals(pathologies: Sequence[str], results: Sequence[Found]) -> list[Goal]:
    """Return what is wanted: the median delay of each change at most 1.2 times the clean stream's, or one bucket."""
    wanted = []
    for pathology in pathologies:
        for change in streams.DEAFNESS if pathology != streams.CLEAN else ():
            hours, clean = (_hours(results, [name], change) for name in (pathology, streams.CLEAN))
            if hours and clean:
                name = f"deafness, {pathology}: {change} at most {SLOWER} x the clean stream's delay"
                told = f"{spoken(hours)} against {spoken(clean)}"
                wanted.append(Goal(name, told, _is_kept(hours, clean)))
    return wanted


def _is_kept(hours: Sequence[float], clean: Sequence[float]) -> bool:
    late, before = statistics.median(hours), statistics.median(clean)
    fewer = sum(np.isfinite(hours)) < sum(np.isfinite(clean))
    return not fewer and (late <= max(SLOWER * before, before + BUCKET_HOURS + 1e-9))


def _ratio(hours: Sequence[float], clean: Sequence[float]) -> float:
    """Return the ratio of the medians; a change that both missed is none the slower."""
    if not hours or not clean:
        return float("nan")
    late, before = statistics.median(hours), statistics.median(clean)
    return 1.0 if np.isinf(late) and np.isinf(before) else late / before
