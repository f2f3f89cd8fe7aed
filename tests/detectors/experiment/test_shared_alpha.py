"""Alpha is the chance of any false verdict: all metrics and all treatments of an experiment share it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from detectors.experiment.compare import difference
from detectors.experiment.tally import Tally
from detectors.experiment.verdict import Design, Metric, judge
from monitor.config.arms import Experiment
from monitor.profiling.ab_counts import Arms

START = datetime(2026, 11, 1, tzinfo=UTC)
CONTROL, TREATMENT = (Tally.of(np.random.default_rng(seed).random(20_000)) for seed in (0, 1))


@pytest.mark.parametrize(("metrics", "treatments", "parts"), [(1, 1, 1), (3, 1, 3), (1, 4, 4), (2, 3, 6)])
def test_every_metric_and_every_treatment_has_a_part_of_alpha(metrics: int, treatments: int, parts: int) -> None:
    names = [f"m{number}" for number in range(metrics)]
    one, other = dict.fromkeys(names, CONTROL), dict.fromkeys(names, TREATMENT)
    found = judge([Metric(name) for name in names], one, other, Design(alpha=0.06, treatments=treatments))
    wanted = difference(CONTROL, TREATMENT, 0.06 / parts)
    assert [answer.difference for answer in found.answers] == [wanted] * metrics


def test_an_experiment_shares_alpha_over_its_treatments() -> None:
    def interval(*treatments: str) -> Any:
        spec = Experiment.model_validate(
            {"name": "e", "control": "a", "treatments": treatments, "from": START, "metrics": ["solved"]}
        )
        tallies = {arm: {"solved": CONTROL if arm == "a" else TREATMENT} for arm in spec.arms}
        return Arms(spec, tallies).verdict("b").answers[0].difference

    assert interval("b") == difference(CONTROL, TREATMENT, 0.05)
    assert interval("b", "c", "d") == difference(CONTROL, TREATMENT, 0.05 / 3)
