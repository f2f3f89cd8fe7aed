"""The charts of an incident: its quantity in natural units, in its segment and in all rows; else the statistic."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitor.config.models import Monitor
from monitor.core.incident import VERSIONS, Incident
from monitor.store.database import Connection
from monitor.store.finding_history import load_points
from monitor.store.rows import FindingRow
from monitor.web import charts, queries
from monitor.web.formatting import capital, length
from monitor.web.monitor_charts import find_marks, incident_spans
from monitor.web.natural_headline import NaturalQuantity, parse_quantity
from monitor.web.time_chart import ChartLine, ChartPoint, TimeChart

FACTORS = {"%": 100.0}
TimeRange = tuple[datetime, datetime]
MEASURED = ("value", "low", "high", "baseline_value")


@dataclass(frozen=True)
class ChartSetting:
    """What all charts of a page share: time range, incidents and marks."""

    start: datetime
    end: datetime
    spans: Sequence[charts.ShadedSpan]
    marks: Sequence[charts.Mark]


def load_charts(
    connection: Connection,
    monitor: Monitor,
    incident: Incident,
    items: Sequence[Mapping[str, Any]],
    shown: TimeRange,
    most: int,
) -> list[TimeChart]:
    """Return a chart for each quantity of the evidence, the most harmful first; all its segments are in one chart."""
    start, end = shown
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for item in items:
        groups.setdefault(_without_segment(item), []).append(item)
    chosen = list(groups.items())[:most]
    keys = [key for subject, _ in chosen for key in _keys(subject, incident, groups[subject])]
    histories = load_points(connection, monitor.name, keys, start, end)
    setting = ChartSetting(start, end, incident_spans([incident]), find_marks(connection, monitor, start, end))
    return [
        make_chart(monitor, group[0], _lines(subject, incident, group, histories), setting) for subject, group in chosen
    ]


def load_finding_charts(
    connection: Connection, monitor: Monitor, rows: Sequence[FindingRow], shown: TimeRange, around: Sequence[Any]
) -> list[TimeChart]:
    """Return a chart for each finding of a monitor.

    Parameters
    ----------
    around
        Incidents in the time range.
    """
    start, end = shown
    histories = load_points(connection, monitor.name, [row.key for row in rows], start, end)
    setting = ChartSetting(start, end, incident_spans(around), find_marks(connection, monitor, start, end))
    return [make_chart(monitor, vars(row), [(row.segment or "", histories[row.key])], setting) for row in rows]


def chart_range(monitor: Monitor, incident: Incident, chosen: TimeRange | None = None) -> TimeRange:
    """Return the time range of the charts: the incident, what came before, and if it is resolved what came after.

    Parameters
    ----------
    chosen
        A range that somebody chose; a long one is cut at its beginning.
    """
    if chosen:
        return max(chosen[0], chosen[1] - queries.MOST_BUCKETS * monitor.bucket), chosen[1]
    end = incident.resolved_at + 12 * monitor.bucket if incident.resolved_at else incident.updated_at
    start = incident.opened_at - max(36 * monitor.bucket, 2 * monitor.window)
    return max(start, end - queries.MOST_BUCKETS * monitor.bucket), end


def _without_segment(item: Mapping[str, Any]) -> str:
    return f"{item['check']}/{item['column'] or ''}/{item['method']}"


def _keys(subject: str, incident: Incident, group: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys of the lines of a chart: the worst segment first, then that of all rows."""
    worst = group[0]["segment"] or incident.suspected_segment
    return list(dict.fromkeys(f"{subject}/{segment or ''}" for segment in (worst, None)))


def _lines(
    subject: str,
    incident: Incident,
    group: Sequence[Mapping[str, Any]],
    histories: Mapping[str, Sequence[Any]],
) -> list[tuple[str, Sequence[Any]]]:
    """Return segment and rows of each line; the line that alerts first is the first one."""
    keys = _keys(subject, incident, group)
    if not group[0]["segment"]:
        keys.reverse()
    return [(key.removeprefix(f"{subject}/"), histories[key]) for key in keys if histories[key]]


def make_chart(
    monitor: Monitor, item: Mapping[str, Any], lines: Sequence[tuple[str, Sequence[Any]]], setting: ChartSetting
) -> TimeChart:
    """Return the chart of a finding in natural units where it has them, else of its statistic.

    Parameters
    ----------
    lines
        Segment and history of each line.
    """
    quantity = parse_quantity(item, str(item["reason"]))
    is_measured = quantity is not None and _all_measured(lines)
    unit = quantity.unit if is_measured and quantity else ""
    factor = FACTORS.get(unit, 1.0)
    before = next(
        (row.detail["baseline_value"] for _, rows in lines for row in reversed(rows) if _is_measured(row)), None
    )
    return TimeChart(
        title=f"{_title(item, quantity if is_measured else None)}, {_window_name(monitor)} windows",
        unit=unit,
        series=[
            ChartLine(
                _name(segment),
                [_point(row, monitor, factor, is_measured=is_measured) for row in rows],
                is_segment=bool(segment),
            )
            for segment, rows in lines
        ],
        start=setting.start,
        end=setting.end,
        step=monitor.bucket,
        baseline=factor * float(before) if is_measured and before is not None else None,
        spans=setting.spans,
        marks=setting.marks,
    )


def _title(item: Mapping[str, Any], quantity: NaturalQuantity | None) -> str:
    if quantity:
        return capital(quantity.name)
    named = f"{item['check']} of {item['column']}" if item["column"] else str(item["check"])
    return f"{capital(named)}, {str(item['method']).replace('_', ' ')}"


def _window_name(monitor: Monitor) -> str:
    count, unit = length(monitor.window).split(" ")
    return f"{count}-{unit.removesuffix('s')}"


def _name(segment: str) -> str:
    column, _, value = segment.partition("=")
    return "all rows" if not segment else value if column in VERSIONS else segment


def _all_measured(lines: Sequence[tuple[str, Sequence[Any]]]) -> bool:
    return all(_is_measured(row) for _, rows in lines for row in rows if row.statistic is not None)


def _is_measured(row: Any) -> bool:
    return row.statistic is not None and row.detail is not None and set(MEASURED) <= set(row.detail)


def _point(row: Any, monitor: Monitor, factor: float, *, is_measured: bool) -> ChartPoint:
    """Return the point of a window, at its end."""
    moment = row.start + monitor.bucket
    if not is_measured:
        return ChartPoint(moment, row.statistic, threshold=row.threshold)
    if not _is_measured(row):
        return ChartPoint(moment, None)
    value, low, high, before = (float(row.detail[name]) for name in MEASURED)
    limit = natural_threshold(row, value, before)
    return ChartPoint(moment, factor * value, factor * low, factor * high, None if limit is None else factor * limit)


def natural_threshold(row: Any, value: float, before: float) -> float | None:
    """Return the value at which a finding alerts, in the units of the value; None if it depends on more than that."""
    if row.threshold is None:
        return None
    if row.unit == "log ratio":
        return before * math.exp(min(row.threshold, 50.0))
    if row.unit == "points":
        return before + math.copysign(row.threshold, (value - before) * row.statistic or 1.0)
    return float(row.threshold) if row.statistic == value else None
