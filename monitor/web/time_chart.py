"""Chart of one or several lines over time: as data for the browser, and as SVG where no script runs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from markupsafe import Markup

from monitor.web import charts
from monitor.web.charts import Frame, Mark, ShadedSpan, at, empty, svg, value_ticks
from monitor.web.formatting import number

SVG_WIDTH, SVG_HEIGHT, LABELS = 780.0, 270.0, 104.0
"""Size of the drawing, and the width of the labels at its right edge."""
LABEL_HEIGHT = 13.0
MOST_POINTS = 360


@dataclass(frozen=True)
class ChartPoint:
    """A value at a time with its 95 % interval, if it has one; in the units of the chart."""

    at: datetime
    value: float | None
    low: float | None = None
    high: float | None = None
    threshold: float | None = None


@dataclass(frozen=True)
class ChartLine:
    """A line: that of all rows, or that of a segment."""

    name: str
    points: Sequence[ChartPoint]
    is_segment: bool = False


@dataclass(frozen=True)
class TimeChart:
    """A chart with a threshold, a baseline, shaded incidents and marks of changes.

    Parameters
    ----------
    unit
        `%`, `s`, or empty.
    step
        Interval between neighbouring points.
    """

    title: str
    unit: str
    series: Sequence[ChartLine]
    start: datetime
    end: datetime
    step: timedelta
    baseline: float | None = None
    spans: Sequence[ShadedSpan] = ()
    marks: Sequence[Mark] = ()

    @property
    def thresholds(self) -> Sequence[ChartPoint]:
        """Return the points of the longest line, whose threshold is shown."""
        return max((one.points for one in self.series), key=len, default=())

    @property
    def newest_threshold(self) -> float | None:
        """Return the threshold now, for its label."""
        return next((point.threshold for point in reversed(self.thresholds) if point.threshold is not None), None)


def to_data(chart: TimeChart) -> Mapping[str, object]:
    """Return a chart as JSON: the times, and by line its values at these times."""
    times = sorted({point.at for one in chart.series for point in one.points})
    thresholds = {point.at: point.threshold for point in chart.thresholds}
    return {
        "title": chart.title,
        "unit": chart.unit,
        "start": chart.start.timestamp(),
        "end": chart.end.timestamp(),
        "step": chart.step.total_seconds(),
        "times": [moment.timestamp() for moment in times],
        "series": [_series_data(one, times) for one in chart.series],
        "threshold": [_rounded(thresholds.get(moment)) for moment in times],
        "baseline": _rounded(chart.baseline),
        "spans": [
            {
                "start": span.start.timestamp(),
                "end": (span.end or chart.end).timestamp(),
                "label": span.label,
            }
            for span in chart.spans
        ],
        "marks": [{"at": mark.at.timestamp(), "label": mark.label} for mark in chart.marks],
    }


def _series_data(series: ChartLine, times: Sequence[datetime]) -> Mapping[str, object]:
    points = {point.at: point for point in series.points}
    row = [points.get(moment) for moment in times]
    return {
        "name": series.name,
        "segment": series.is_segment,
        "value": [_rounded(point.value) if point else None for point in row],
        "low": [_rounded(point.low) if point else None for point in row],
        "high": [_rounded(point.high) if point else None for point in row],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")


def draw(chart: TimeChart) -> Markup:
    """Draw a chart: lines with their intervals, threshold, baseline, incidents and marks, each with a label."""
    frame = _frame(chart)
    body = [*charts.grid(frame, chart.unit), *charts.draw_spans(frame, chart.spans)]
    for one in chart.series:
        points, step = _thin(one.points, chart.step)
        runs = list(_runs(points, step))
        kind = "segment" if one.is_segment else "all"
        body += [_band(frame, run, kind) for run in runs]
        body += [_line(frame, run, kind) for run in runs]
    body.append(_threshold(frame, _thin(chart.thresholds, chart.step)[0]))
    if chart.baseline is not None:
        body.append(_across(frame, chart.baseline))
    body += [*charts.draw_marks(frame, chart.marks), *_mark_labels(frame, chart.marks), *_labels(frame, chart)]
    if not any(point.value is not None for one in chart.series for point in one.points):
        body.append(empty(frame))
    return svg(frame, "chart time", chart.title, body)


def _frame(chart: TimeChart) -> Frame:
    values = [chart.baseline or 0.0, *_values(chart)]
    ticks = value_ticks(min(0.0, *values), charts.HEADROOM * max(0.0, *values))
    return Frame(
        chart.start, chart.end, ticks[0], ticks[-1], SVG_WIDTH, SVG_HEIGHT, right=LABELS, top=24.0, ticks=tuple(ticks)
    )


def _values(chart: TimeChart) -> Iterator[float]:
    for one in chart.series:
        for point in one.points:
            yield from (each for each in (point.value, point.high, point.threshold) if each is not None)


def _thin(points: Sequence[ChartPoint], step: timedelta) -> tuple[Sequence[ChartPoint], timedelta]:
    each = max(1, -(-len(points) // MOST_POINTS))
    groups = (points[place : place + each] for place in range(0, len(points), each))
    return [max(group, key=lambda one: one.value or 0.0) for group in groups], each * step


def _runs(points: Sequence[ChartPoint], step: timedelta) -> Iterator[list[ChartPoint]]:
    """Yield contiguous points with a value."""
    run: list[ChartPoint] = []
    for point in points:
        if run and (point.value is None or point.at - run[-1].at >= 2 * step):
            yield run
            run = []
        if point.value is not None:
            run.append(point)
    if run:
        yield run


def _path(frame: Frame, pairs: Sequence[tuple[datetime, float]]) -> str:
    if len(pairs) == 1:
        x, y = frame.x(pairs[0][0]), at(frame.y(pairs[0][1]))
        return f"{at(x - 3)},{y} {at(x + 3)},{y}"
    return " ".join(f"{at(frame.x(moment))},{at(frame.y(value))}" for moment, value in pairs)


def _line(frame: Frame, run: Sequence[ChartPoint], kind: str) -> Markup:
    path = _path(frame, [(point.at, point.value) for point in run if point.value is not None])
    return Markup('<polyline class="line {}" points="{}"/>').format(kind, path)


def _band(frame: Frame, run: Sequence[ChartPoint], kind: str) -> Markup:
    points = [(point.at, point.low, point.high) for point in run if point.low is not None and point.high is not None]
    if len(points) < 2:  # noqa: PLR2004  an area has two points
        return Markup("")
    upper = [f"{at(frame.x(moment))},{at(frame.y(high))}" for moment, _, high in points]
    lower = [f"{at(frame.x(moment))},{at(frame.y(low))}" for moment, low, _ in reversed(points)]
    return Markup('<path class="band {}" d="M{}Z"/>').format(kind, "L".join([*upper, *lower]))


def _threshold(frame: Frame, points: Sequence[ChartPoint]) -> Markup:
    drawn = Markup("")
    for is_set, group in groupby(points, lambda point: point.threshold is not None):
        pairs = [(point.at, point.threshold) for point in group if point.threshold is not None]
        if is_set:
            drawn += Markup('<polyline class="threshold" points="{}"/>').format(_path(frame, pairs))
    return drawn


def _across(frame: Frame, level: float) -> Markup:
    y = at(frame.y(level))
    return Markup('<polyline class="baseline" points="{},{} {},{}"/>').format(
        at(frame.left), y, at(frame.width - frame.right), y
    )


def _mark_labels(frame: Frame, marks: Sequence[Mark]) -> Iterator[Markup]:
    """Yield the labels of the first marks that do not overlap."""
    after = -1.0
    for mark in sorted(marks, key=lambda one: one.at):
        x = frame.x(mark.at)
        text = mark.label.removeprefix("first seen: ")
        is_late = x > frame.width - frame.right - 7.0 * len(text)
        if x > after and frame.start <= mark.at <= frame.end:
            yield Markup('<text class="note {}" x="{}" y="{}">{}</text>').format(
                "end" if is_late else "", at(x - 6 if is_late else x + 6), at(frame.top - 10), text
            )
            after = x + 7.0 * len(text)


def _labels(frame: Frame, chart: TimeChart) -> Iterator[Markup]:
    """Yield the labels at the right edge, moved apart where they would overlap."""
    wanted = [(frame.y(level), text, kind) for level, text, kind in list_levels(chart)]
    lowest = -LABEL_HEIGHT
    for y, text, kind in sorted(wanted):
        lowest = max(y, lowest + LABEL_HEIGHT)
        yield Markup('<text class="note {}" x="{}" y="{}">{}</text>').format(
            kind, at(frame.width - frame.right + 8), at(lowest + 4), text
        )


def list_levels(chart: TimeChart) -> list[tuple[float, str, str]]:
    """Return the newest values of a chart with their labels and kinds."""
    levels = []
    for one in chart.series:
        values = [point.value for point in one.points if point.value is not None]
        if values:
            name = one.name if len(one.name) <= 16 else f"{one.name[:15]}…"
            levels.append((values[-1], name, "segment" if one.is_segment else "all"))
    limit = chart.newest_threshold
    if limit is not None:
        levels.append((limit, f"alerts at {with_unit(limit, chart.unit)}", "threshold"))
    if chart.baseline is not None:
        levels.append((chart.baseline, f"baseline {with_unit(chart.baseline, chart.unit)}", "baseline"))
    return levels


def with_unit(value: float, unit: str) -> str:
    """Format a value of a chart.

    Examples
    --------
    >>> with_unit(28.64, "%"), with_unit(1.25, "s"), with_unit(0.1, "")
    ('28.6 %', '1.25 s', '0.1')
    """
    text = f"{value:.3g}" if unit else number(value)
    return f"{text} {unit}".strip()
