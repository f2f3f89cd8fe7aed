"""Charts in natural units: the drawing and the data have the same lines, threshold, baseline and marks."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from monitor.web.charts import Mark, ShadedSpan
from monitor.web.incident_chart import natural_threshold
from monitor.web.time_chart import ChartLine, ChartPoint, TimeChart, draw, list_levels, to_data

START = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
STEP = timedelta(minutes=5)
EVIL = "<script>\"'&"


def chart(*values: float | None, baseline: float | None = 26.0, name: str = "all rows") -> TimeChart:
    points = [
        ChartPoint(
            START + n * STEP, value, None if value is None else value - 2, None if value is None else value + 2, 31
        )
        for n, value in enumerate(values)
    ]
    spans, marks = [ShadedSpan(START + STEP, None, EVIL)], [Mark(START + STEP, f"first seen: {EVIL}")]
    series = [ChartLine(name, points)]
    return TimeChart("rate", "%", series, START, START + 12 * STEP, STEP, baseline, spans, marks)


@pytest.mark.parametrize("values", [[], [None], [40.0], [40.0, None, 50.0, 51.0], [0.0] * 3, [-5.0, 1e9]])
def test_any_values_draw(values: list[float | None]) -> None:
    drawn = ElementTree.fromstring(draw(chart(*values, name=EVIL)))
    assert all("nan" not in text for element in drawn.iter() for text in element.attrib.values())
    json.dumps(to_data(chart(*values)), allow_nan=False)


def test_a_gap_breaks_line_and_band() -> None:
    drawn = ElementTree.fromstring(draw(chart(40.0, 41.0, None, 50.0, 51.0)))
    assert len([line for line in drawn.iter("polyline") if line.attrib["class"].startswith("line")]) == 2
    assert len([path for path in drawn.iter("path") if path.attrib.get("class", "").startswith("band")]) == 2
    assert to_data(chart(40.0, None))["series"][0]["value"] == [40.0, None]  # type: ignore[index]


def test_labels_have_units() -> None:
    assert [text for _, text, _ in list_levels(chart(40.0))] == ["all rows", "alerts at 31 %", "baseline 26 %"]


@pytest.mark.parametrize(
    ("unit", "statistic", "threshold", "expected"),
    [
        ("points", 0.3, 0.1, 0.3),  # a rise: the value is above the baseline
        ("points", -0.3, 0.1, 0.1),  # an improvement: it alerts on the other side
        ("log ratio", 0.9, math.log(1.5), 0.3),
        ("s", 0.5, 0.4, 0.4),
        ("baseline sd", 0.3, 0.1, None),
    ],
)
def test_the_threshold_in_units_of_the_value(
    unit: str, statistic: float, threshold: float, expected: float | None
) -> None:
    row = SimpleNamespace(unit=unit, statistic=statistic, threshold=threshold)
    assert natural_threshold(row, 0.5, 0.2) == (None if expected is None else pytest.approx(expected))
