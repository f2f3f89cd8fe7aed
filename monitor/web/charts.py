"""Charts as SVG, drawn by pure functions without JavaScript, a library or style attributes.

Colours come from the classes of the stylesheet, so charts support its dark and light mode.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from markupsafe import Markup

from monitor.web.formatting import exact, number

WIDTH, HEIGHT = 600.0, 214.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 12.0, 14.0, 30.0
SPARK_WIDTH, SPARK_HEIGHT = 320.0, 44.0
BROAD_WIDTH, BROAD_HEIGHT = 1180.0, 190.0
BLIND_HEIGHT = 6.0
HEADROOM = 1.04
MOST_POINTS = 180
MOST_TIME_LABELS = 6

_STEPS = [
    *(timedelta(seconds=count) for count in (1, 5, 15, 30)),
    *(timedelta(minutes=count) for count in (1, 2, 5, 10, 15, 30)),
    *(timedelta(hours=count) for count in (1, 2, 3, 6, 12)),
    *(timedelta(days=count) for count in (1, 2, 7, 14, 30)),
]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Point:
    """A measurement; ``value`` is None if there is no result."""

    at: datetime
    value: float | None
    bound: float | None = None
    status: str = "ok"


@dataclass(frozen=True)
class ShadedSpan:
    """A shaded time range; without an end it extends to the end of the chart."""

    start: datetime
    end: datetime | None
    label: str


@dataclass(frozen=True)
class Mark:
    """A time with a dashed line, such as the first record of a version."""

    at: datetime
    label: str


@dataclass(frozen=True)
class Frame:
    """Ranges of time and values of a chart, and its size in units of the drawing."""

    start: datetime
    end: datetime
    low: float
    high: float
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = RIGHT
    top: float = TOP
    bottom: float = BOTTOM
    ticks: tuple[float, ...] = ()

    def x(self, moment: datetime) -> float:
        """Return the x coordinate of a time, clipped to the frame."""
        share = (moment - self.start) / max(self.end - self.start, timedelta(seconds=1))
        return self.left + min(1.0, max(0.0, share)) * (self.width - self.left - self.right)

    def y(self, value: float) -> float:
        """Return the y coordinate of a value, clipped to the frame."""
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return self.height - self.bottom - min(1.0, max(0.0, share)) * (self.height - self.top - self.bottom)

    @property
    def floor(self) -> float:
        """Return the y coordinate of the lower edge."""
        return self.height - self.bottom


def line_chart(
    points: Sequence[Point],
    *,
    start: datetime,
    end: datetime,
    step: timedelta,
    title: str,
    spans: Iterable[ShadedSpan] = (),
    marks: Iterable[Mark] = (),
) -> Markup:
    """Draw a statistic against its threshold over time.

    Parameters
    ----------
    points
        In order of time; a missing step breaks the line.
    start, end
        Time range of the chart, regardless of the points.
    step
        Interval between neighbouring points.
    title
        Accessible name.
    """
    thinned, step = thin(points, step)
    frame = _frame(thinned, start, end)
    ground = [*grid(frame), *draw_spans(frame, spans), *draw_marks(frame, marks)]
    body = [
        *(_path("bound", run) for run in _runs(frame, thinned, step, bounds=True)),
        *_lines(frame, thinned, step),
        *_hits(frame, thinned, step),
    ]
    return svg(frame, "chart", title, [*ground, *(body if _finite_values(thinned) else [empty(frame)])])


def bar_chart(
    points: Sequence[Point],
    *,
    start: datetime,
    end: datetime,
    step: timedelta,
    title: str,
    spans: Iterable[ShadedSpan] = (),
    marks: Iterable[Mark] = (),
) -> Markup:
    """Draw volumes over time as a chart of double width; a point is at the start of its step."""
    each = max(1, math.ceil(len(points) / MOST_POINTS))
    thinned, step = thin(points, step)
    thinned = [replace(point, at=first.at) for point, first in zip(thinned, points[::each], strict=True)]
    frame = replace(_frame(thinned, start, end), width=BROAD_WIDTH, height=BROAD_HEIGHT)
    body = [*grid(frame), *draw_spans(frame, spans), *draw_marks(frame, marks), *_bars(frame, thinned, step)]
    return svg(frame, "chart broad", title, body if _finite_values(thinned) else [*body, empty(frame)])


def sparkline(points: Sequence[Point], *, start: datetime, end: datetime, step: timedelta, title: str) -> Markup:
    """Draw a small chart without axes: the statistic, its threshold, and its last point."""
    thinned, step = thin(points, step, MOST_POINTS // 3)
    values = _finite_values(thinned)
    if not values:
        return Markup("")
    low, high = min(0.0, *values), max(*values, 0.0) or 1.0
    edge = 4.0
    frame = Frame(start, end, low, high * 1.05, SPARK_WIDTH, SPARK_HEIGHT, edge, edge, edge, edge)
    body = [_path("bound", run) for run in _runs(frame, thinned, step, bounds=True)]
    body += _lines(frame, thinned, step)
    last = next((point for point in reversed(thinned) if point.value is not None), None)
    if last is not None and last.value is not None:
        body.append(_dot(frame, last, 3.0))
    return svg(frame, "spark", title, body)


def thin(points: Sequence[Point], step: timedelta, most: int = MOST_POINTS) -> tuple[list[Point], timedelta]:
    """Reduce the number of points; of each group the highest point remains, so that no peak is lost.

    Returns
    -------
    points
        About ``most`` points at most.
    step
        Their new interval.

    Examples
    --------
    >>> at = datetime(2026, 1, 1, tzinfo=UTC)
    >>> points = [Point(at + timedelta(minutes=m), float(m % 7)) for m in range(20)]
    >>> thinned, step = thin(points, timedelta(minutes=1), most=10)
    >>> len(thinned), step
    (10, datetime.timedelta(seconds=120))
    """
    each = max(1, math.ceil(len(points) / most))
    groups = (points[place : place + each] for place in range(0, len(points), each))
    return [max(group, key=_height) for group in groups], step * each


def _height(point: Point) -> float:
    return -math.inf if point.value is None or not math.isfinite(point.value) else point.value


def _finite_values(points: Sequence[Point]) -> list[float]:
    numbers = [number for point in points for number in (point.value, point.bound) if number is not None]
    return [number for number in numbers if math.isfinite(number)] if any(p.value is not None for p in points) else []


def _frame(points: Sequence[Point], start: datetime, end: datetime) -> Frame:
    values = _finite_values(points)
    ticks = value_ticks(HEADROOM * min([0.0, *values]), HEADROOM * max([0.0, *values]))
    return Frame(start, end, ticks[0], ticks[-1], ticks=tuple(ticks))


def value_ticks(low: float, high: float) -> list[float]:
    """Return three to six round numbers that cover a range.

    Examples
    --------
    >>> value_ticks(0.0, 0.47)
    [0.0, 0.2, 0.4, 0.6]
    """
    if not high > low:
        return [0.0, 1.0]
    rough = (high - low) / 3
    unit = 10.0 ** math.floor(math.log10(rough))
    size = next(step * unit for step in (1, 2, 2.5, 5, 10) if step * unit >= rough * 0.999)
    first, last = math.floor(low / size + 1e-9), math.ceil(high / size - 1e-9)
    return [round(place * size, 12) for place in range(first, last + 1)]


def time_ticks(start: datetime, end: datetime, most: int = MOST_TIME_LABELS) -> list[datetime]:
    """Return at most ``most`` round times within a range.

    Examples
    --------
    >>> ticks = time_ticks(datetime(2026, 1, 1, 9, 2, tzinfo=UTC), datetime(2026, 1, 1, 11, 59, tzinfo=UTC))
    >>> [f"{tick:%H:%M}" for tick in ticks]
    ['09:30', '10:00', '10:30', '11:00', '11:30']
    """
    span = end - start
    step = next((step for step in _STEPS if span / step <= most), _STEPS[-1] * math.ceil(span / _STEPS[-1] / most))
    tick = _EPOCH + math.ceil((start - _EPOCH) / step) * step
    ticks: list[datetime] = []
    while tick <= end and len(ticks) <= most:
        ticks.append(tick)
        tick += step
    return ticks


def _label(tick: datetime, step: timedelta) -> str:
    if step >= timedelta(days=1) or (tick.hour, tick.minute, tick.second) == (0, 0, 0):
        return f"{tick.day} {tick:%b}"
    return f"{tick:%H:%M:%S}" if step < timedelta(minutes=1) else f"{tick:%H:%M}"


def grid(frame: Frame, unit: str = "") -> Iterator[Markup]:
    """Yield grid lines and the labels of values and times."""
    for value in frame.ticks:
        y = frame.y(value)
        yield Markup('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
            at(frame.left), at(frame.width - frame.right), at(y), at(y)
        )
        yield Markup('<text class="tick end" x="{}" y="{}">{}</text>').format(
            at(frame.left - 8), at(y + 3.5), f"{number(value)} {unit}".strip()
        )
    ticks = time_ticks(frame.start, frame.end)
    step = ticks[1] - ticks[0] if len(ticks) > 1 else timedelta(minutes=1)
    for tick in ticks:
        anchor = _anchor(frame, frame.x(tick))
        yield Markup('<text class="tick {}" x="{}" y="{}">{}</text>').format(
            anchor, at(frame.x(tick)), at(frame.height - 8), _label(tick, step)
        )


def _anchor(frame: Frame, x: float) -> str:
    """Return the class that aligns a label so that it stays within the drawing."""
    return "end" if x > frame.width - frame.right - 14 else "middle"


def draw_spans(frame: Frame, spans: Iterable[ShadedSpan]) -> Iterator[Markup]:
    """Yield shaded time ranges."""
    for span in spans:
        end = span.end or frame.end
        if end <= frame.start or span.start >= frame.end:
            continue
        left, right = frame.x(span.start), frame.x(end)
        yield Markup('<rect class="span" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>').format(
            at(left), at(frame.top), at(max(2.0, right - left)), at(frame.floor - frame.top), span.label
        )


def draw_marks(frame: Frame, marks: Iterable[Mark]) -> Iterator[Markup]:
    """Yield dashed lines at times."""
    for mark in marks:
        if frame.start <= mark.at <= frame.end:
            x = at(frame.x(mark.at))
            yield Markup(
                '<g class="mark"><line x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>'
                '<path d="M{0} {1}l4 -7h-8z"/><title>{3}</title></g>'
            ).format(x, at(frame.top), at(frame.floor), f"{mark.label}, {exact(mark.at)}")


def _runs(
    frame: Frame, points: Sequence[Point], step: timedelta, *, bounds: bool = False
) -> Iterator[list[tuple[float, float]]]:
    """Yield the coordinates of contiguous points; a missing value or a gap ends a run."""
    run: list[tuple[float, float]] = []
    before: datetime | None = None
    for point in points:
        value = point.bound if bounds else point.value
        is_finite = value is not None and math.isfinite(value) and (not bounds or point.value is not None)
        if run and (not is_finite or (before is not None and point.at - before >= 2 * step)):
            yield run
            run = []
        if is_finite and value is not None:
            run.append((frame.x(point.at), frame.y(value)))
            before = point.at
    if run:
        yield run


def _lines(frame: Frame, points: Sequence[Point], step: timedelta) -> list[Markup]:
    drawn = []
    for run in _runs(frame, points, step):
        if len(run) == 1:
            drawn.append(Markup('<circle class="alone" cx="{}" cy="{}" r="2.5"/>').format(at(run[0][0]), at(run[0][1])))
        else:
            drawn.append(_path("line", run))
    drawn += [_dot(frame, point, 2.5) for point in points if point.status == "drifted" and point.value is not None]
    return drawn


def _path(kind: str, run: Sequence[tuple[float, float]]) -> Markup:
    if len(run) == 1:
        run = [(run[0][0] - 3, run[0][1]), (run[0][0] + 3, run[0][1])]
    return Markup('<polyline class="{}" points="{}"/>').format(kind, " ".join(f"{at(x)},{at(y)}" for x, y in run))


def _dot(frame: Frame, point: Point, radius: float) -> Markup:
    kind = "dot drifted" if point.status == "drifted" else "dot"
    y = frame.y(point.value if point.value is not None else frame.low)
    return Markup('<circle class="{}" cx="{}" cy="{}" r="{}"/>').format(kind, at(frame.x(point.at)), at(y), radius)


def _hits(frame: Frame, points: Sequence[Point], step: timedelta) -> Iterator[Markup]:
    """Yield an invisible column per point with its numbers as a tooltip."""
    wide = max(3.0, frame.x(frame.start + step) - frame.left)
    for point in points:
        bound = f", threshold {number(point.bound)}" if point.bound is not None else ""
        text = f"{exact(point.at)}\n{number(point.value)}{bound}\n{point.status}"
        yield Markup('<rect class="hit" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>').format(
            at(frame.x(point.at) - wide / 2), at(frame.top), at(wide), at(frame.floor - frame.top), text
        )


def _bars(frame: Frame, points: Sequence[Point], step: timedelta) -> Iterator[Markup]:
    for point in points:
        left, right = frame.x(point.at), frame.x(point.at + step)
        gap = 1.0 if right - left > 3 else 0.0  # noqa: PLR2004
        is_finite = point.value is not None and math.isfinite(point.value)
        done = point.status == "done"
        top = min(
            frame.y(point.value or 0.0) if is_finite else frame.floor, frame.floor - (0 if done else BLIND_HEIGHT)
        )
        text = f"{exact(point.at)}\n{number(point.value)} rows\n{point.status}"
        kind = "bar" if done else "bar unsure"
        yield Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>').format(
            kind, at(left), at(top), at(max(1.0, right - left - gap)), at(max(0.0, frame.floor - top)), text
        )


def empty(frame: Frame) -> Markup:
    """Return the text of a chart without points."""
    return Markup('<text class="tick middle" x="{}" y="{}">no data in this range</text>').format(
        at(frame.width / 2), at(frame.height / 2)
    )


def svg(frame: Frame, kind: str, title: str, body: Iterable[Markup]) -> Markup:
    """Return the SVG element of a drawing."""
    return Markup('<svg class="{}" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        kind, at(frame.width), at(frame.height), title, Markup("").join(body)
    )


def at(value: float) -> str:
    """Format a coordinate."""
    return f"{value:.1f}".removesuffix(".0")
