"""Estimates without labels on NannyML's own data: within 0.01 of its own, whose numbers are stored beside the data."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.detection import estimates
from benchmarks.detection.estimates import DATA, NAMES, Row
from detectors.performance.interval_calibration import MISSES, follow
from detectors.performance.metrics import METRICS
from detectors.performance.tables import expected_table

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.xdist_group("nannyml"),  # the rows are estimated once, not by each worker
]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    stored = json.loads((DATA / "nannyml_estimates.json").read_text("utf-8"))
    return [*estimates.classifiers(stored), *estimates.regressor(stored)]


def test_every_estimate_is_within_a_hundredth_of_nannymls(rows: list[Row]) -> None:
    mine = [row for row in rows if "," not in row.data]
    assert {row.data for row in mine} == {"car_loan", "employment_MA", "california", "regression"}
    assert len(mine) > 300
    assert max(abs(row.value - row.theirs[0]) / row.unit for row in mine) < 0.01


def test_the_truth_lies_inside_as_often_as_stated_where_there_are_enough_chunks_to_tell(rows: list[Row]) -> None:
    """Forty-two chunks of real employment data: three standard errors of 95 % in 42 are 10 points."""
    for lag in (None, 1.0, 2.0):
        inside = [
            said.low <= one.residual <= said.high
            for series in estimates.real(rows)
            if series.data == "employment_MA"
            for said, one in zip(follow(series.known, series.later, lag), series.later, strict=True)
        ]
        assert len(inside) == 42 * len(NAMES)
        assert np.mean(inside) > 1 - MISSES - 3 * np.sqrt(MISSES * (1 - MISSES) / 42)


def test_estimates_take_a_column_of_which_no_label_is_known() -> None:
    reference, analysis = estimates._halves("california")
    truth = estimates.CLASSIFIERS["california"][0]
    baseline = estimates._profile(reference, "california")
    blind = estimates._profile(analysis.assign(**{truth: np.nan}), "california")
    assert blind.n == 0
    full = estimates._profile(analysis, "california")
    for name in NAMES:
        assert METRICS[name](expected_table(baseline, blind))[0] == METRICS[name](expected_table(baseline, full))[0]
