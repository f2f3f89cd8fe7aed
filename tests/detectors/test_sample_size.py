"""A verdict changes with the population, not with how many rows happen to have been seen."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from detectors import DETECTORS, Criterion, assess
from detectors.base import Status
from detectors.binning import Binning, learn_numeric
from detectors.drift.bins import bin_values
from detectors.exact import ExactSum
from detectors.null_distribution import CalibratedNull, NullDistribution
from detectors.profile import Profile


@pytest.mark.parametrize("method", ["rank", "kolmogorov_smirnov", "wasserstein", "mean", "spread", "psi", "hellinger"])
def test_the_verdict_does_not_depend_on_the_sample_size(method: str) -> None:
    """The same population, shifted by 0.02 standard deviations, as counts of 1e3, 1e5 and 1e7 values."""
    layout = learn_numeric(np.random.default_rng(0).normal(size=200_000), -6.0, 6.0)
    before, after = (_population(layout, shift) for shift in (0.0, 0.02))
    baseline = _sampled(layout, before, 10**6)
    null = NullDistribution(wander=0.0, start=0.5, share=0.1, scale=0.1, quantiles=(), windows=1000.0)
    detector = DETECTORS[method]
    for criterion in (Criterion(), Criterion(calibrated=CalibratedNull(null, 9.0))):
        seen = [
            assess(detector, baseline, _sampled(layout, after, n), column="x", criterion=criterion)
            for n in (10**3, 10**5, 10**7)
        ]
        assert {finding.status for finding in seen} == {Status.OK}
    far = [
        assess(detector, baseline, _sampled(layout, _population(layout, 2.0), n), column="x") for n in (10**3, 10**7)
    ]
    assert method == "spread" or {finding.status for finding in far} == {Status.DRIFTED}


def test_a_p_value_depends_on_the_sample_size() -> None:
    layout = learn_numeric(np.random.default_rng(0).normal(size=200_000), -6.0, 6.0)
    baseline = _sampled(layout, _population(layout, 0.0), 10**6)
    found = [
        DETECTORS["rank"].measure(baseline, _sampled(layout, _population(layout, 0.02), n)).p_value
        for n in (10**3, 10**7)
    ]
    assert found[0] > 0.05 > found[1]


def _population(layout: Binning, shift: float) -> np.ndarray:
    """Return the shares of a normal population in the bins."""
    return np.diff(special.ndtr(np.array([-np.inf, *layout.edges, np.inf]) - shift))


def _sampled(layout: Binning, shares: np.ndarray, n: int) -> Profile:
    """Return the profile of n values in just these shares, with their moments as the bins have them."""
    counts = np.diff(np.rint(np.cumsum(shares) * n).astype(np.int64), prepend=0)
    values = bin_values(layout.edges)
    moments = (counts * values, counts * (values - layout.origin) ** 2)
    return Profile(layout, counts, 0, 0, 0, *(ExactSum.of(each) for each in moments))
