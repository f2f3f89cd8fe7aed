"""Chart of an estimate with its interval over time, as SVG. Pure, like :mod:`monitor.web.charts`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from monitor.web.charts import HEADROOM, Frame, at, empty, grid, svg, value_ticks
from monitor.web.formatting import exact, number

WIDEST = 6.0
"""Maximum height of the chart in widths of the newest interval; the first intervals are much wider."""


@dataclass(frozen=True)
class Estimate:
    """A value with its interval at a time."""

    at: datetime
    value: float
    low: float
    high: float


def band_chart(points: Sequence[Estimate], *, start: datetime, end: datetime, title: str, bound: float = 0.0) -> Markup:
    """Draw an estimate with its interval, a line at 0, and dashed lines at the minimum effect.

    Parameters
    ----------
    points
        In order of time.
    bound
        Minimum effect, drawn on both sides of 0.
    """
    frame = _frame(points, start, end, bound)
    body = [*grid(frame), *(_across(frame, level, "bound") for level in (-bound, bound)), _across(frame, 0.0, "zero")]
    if not points:
        return svg(frame, "chart", title, [*body, empty(frame)])
    return svg(frame, "chart", title, [*body, *_band(frame, points), *_hits(frame, points)])


def _frame(points: Sequence[Estimate], start: datetime, end: datetime, bound: float) -> Frame:
    reach = max(bound, 1e-9)
    if points:
        last = points[-1]
        tall = WIDEST * max(last.high - last.low, bound / 2)
        widest = max(abs(side) for point in points for side in (point.low, point.high))
        reach = max(reach, min(widest, tall + abs(last.value)))
    ticks = value_ticks(-HEADROOM * reach, HEADROOM * reach)
    return Frame(start, end, ticks[0], ticks[-1], ticks=tuple(ticks))


def _across(frame: Frame, level: float, kind: str) -> Markup:
    y = at(frame.y(level))
    return Markup('<polyline class="{}" points="{},{} {},{}"/>').format(
        kind, at(frame.left), y, at(frame.width - frame.right), y
    )


def _band(frame: Frame, points: Sequence[Estimate]) -> Iterator[Markup]:
    upper = [f"{at(frame.x(point.at))},{at(frame.y(point.high))}" for point in points]
    lower = [f"{at(frame.x(point.at))},{at(frame.y(point.low))}" for point in reversed(points)]
    line = [f"{at(frame.x(point.at))},{at(frame.y(point.value))}" for point in points]
    yield Markup('<path class="band" d="M{}Z"/>').format("L".join([*upper, *lower]))
    yield Markup('<polyline class="line" points="{}"/>').format(" ".join(line))


def _hits(frame: Frame, points: Sequence[Estimate]) -> Iterator[Markup]:
    wide = max(3.0, (frame.width - frame.left - frame.right) / max(1, len(points)))
    for point in points:
        text = f"{exact(point.at)}\n{number(point.value)} ({number(point.low)} to {number(point.high)})"
        yield Markup('<rect class="hit" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>').format(
            at(frame.x(point.at) - wide / 2), at(frame.top), at(wide), at(frame.floor - frame.top), text
        )
