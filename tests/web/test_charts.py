"""Charts: well-formed whatever the numbers are."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest

from monitor.web.charts import Mark, Point, ShadedSpan, bar_chart, line_chart, sparkline, thin, time_ticks, value_ticks

START = datetime(2026, 11, 3, 22, 0, tzinfo=UTC)
STEP = timedelta(minutes=5)
END = START + 48 * STEP


def points(*values: float | None, bound: float | None = 0.1) -> list[Point]:
    return [Point(START + n * STEP, value, bound) for n, value in enumerate(values)]


def drawn(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def lines(svg: str) -> list[str]:
    return [element.attrib["points"] for element in drawn(svg).iter("polyline") if element.attrib["class"] == "line"]


@pytest.mark.parametrize("chart", [line_chart, bar_chart, sparkline])
@pytest.mark.parametrize(
    "values",
    [[0.2], [], [None], [None, None], [0.0], [-1.0, 2.0], [math.nan, math.inf, 0.1], [1e300, 1e-300], [5e-324], [-3.0]],
)
def test_any_numbers_draw(chart: object, values: list[float | None]) -> None:
    svg = chart(points(*values), start=START, end=END, step=STEP, title="t")  # type: ignore[operator]
    if svg:
        drawn(svg)
        assert "nan" not in svg
        assert "inf" not in svg


def test_no_points_say_so() -> None:
    assert "no data in this range" in line_chart([], start=START, end=END, step=STEP, title="t")
    assert sparkline([], start=START, end=END, step=STEP, title="t") == ""
    drawn(line_chart([], start=START, end=START, step=STEP, title="t"))


def test_a_gap_breaks_the_line() -> None:
    apart = points(0.1, 0.2, None, 0.3, 0.2) + [Point(START + 30 * STEP, 0.2), Point(START + 31 * STEP, 0.1)]
    assert len(lines(line_chart(apart, start=START, end=END, step=STEP, title="t"))) == 3


def test_one_point_is_a_dot() -> None:
    svg = drawn(line_chart(points(0.2), start=START, end=END, step=STEP, title="t"))
    assert [c.attrib["class"] for c in svg.iter("circle")] == ["alone"]


def test_points_tell_their_numbers_on_hover() -> None:
    svg = drawn(line_chart(points(0.25), start=START, end=END, step=STEP, title="t"))
    assert [title.text for title in svg.iter("title")] == ["2026-11-03 22:00:00 UTC\n0.25, threshold 0.1\nok"]


def test_labels_are_escaped() -> None:
    evil = "<script>\"'&"
    svg = line_chart(
        points(0.1, 0.2),
        start=START,
        end=END,
        step=STEP,
        title=evil,
        spans=[ShadedSpan(START, None, evil)],
        marks=[Mark(START, evil)],
    )
    assert "<script" not in svg
    assert drawn(svg).attrib["aria-label"] == evil


def test_spans_stay_inside() -> None:
    outside = [ShadedSpan(START - 9 * STEP, START - STEP, "before"), ShadedSpan(START - STEP, END + STEP, "around")]
    svg = drawn(line_chart(points(0.1, 0.2), start=START, end=END, step=STEP, title="t", spans=outside))
    shaded = [r for r in svg.iter("rect") if r.attrib["class"] == "span"]
    assert len(shaded) == 1
    assert float(shaded[0].attrib["x"]) + float(shaded[0].attrib["width"]) <= 600


@pytest.mark.parametrize("length", [timedelta(seconds=30), timedelta(hours=4), timedelta(days=9), timedelta(days=3000)])
def test_time_labels_are_few_and_ordered(length: timedelta) -> None:
    ticks = time_ticks(START, START + length)
    assert 1 <= len(ticks) <= 7
    assert ticks == sorted(set(ticks))
    assert ticks[0] >= START
    assert ticks[-1] <= START + length


def test_midnight_is_labelled_by_its_day() -> None:
    assert ">4 Nov<" in line_chart(points(0.1), start=START, end=END, step=STEP, title="t")


@pytest.mark.parametrize("high", [1e-9, 0.1, 0.99, 1.0, 7.3, 12345.0, 1e12])
def test_value_labels_surround_the_values(high: float) -> None:
    ticks = value_ticks(0.0, high)
    assert 2 <= len(ticks) <= 6
    assert ticks[0] == 0.0
    assert ticks[-1] >= high * 0.999


def test_thinning_keeps_peaks_and_bounds_the_drawing() -> None:
    many = points(*(1.0 if n == 777 else 0.01 for n in range(2000)))
    kept, step = thin(many, STEP)
    assert len(kept) <= 180
    assert max(point.value or 0 for point in kept) == 1.0
    assert step == 12 * STEP
    svg = line_chart(many, start=START, end=START + 2000 * STEP, step=STEP, title="t")
    assert len(lines(svg)) == 1
    assert len(svg) < 60_000
