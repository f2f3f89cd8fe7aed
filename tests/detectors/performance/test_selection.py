"""Labels that are a random sample, that were drawn by the score, and that came with complaints."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats

from detectors.base import Finding, Status
from detectors.outcome import learn_scores
from detectors.performance.prediction_powered import RateSums, rate
from detectors.performance.rates import Chosen, with_rate
from detectors.performance.selection import Strata, is_selected, stratified_rate, weighted_rate
from detectors.profile import Profile
from detectors.records import Column
from tests.support.nightly import nightly_except

ROWS, ROUNDS = 3000, 200
Answers = tuple[np.ndarray, np.ndarray]


def draw(rng: np.random.Generator, share: float, how: str, strength: float = 2.0, rows: int = ROWS) -> Answers:
    """Return scores and labels."""
    bad = rng.random(rows) < share
    scores = special.expit(1.5 * (rng.normal(size=rows) + strength * bad) - 2.5)
    chance = {
        "random": np.full(rows, 0.05),
        "stratified": np.where(scores > np.quantile(scores, 0.8), 0.25, 0.03),
        "doubtful": np.where(np.abs(scores - 0.4) < 0.2, 0.3, 0.05),
        "complaints": np.where(bad, 0.3, 0.01),
    }[how]
    return scores, np.where(rng.random(rows) < chance, bad, np.nan)


def find(answers: Answers, chosen: Chosen | None = None) -> Finding:
    """Return what a finding of the mean score becomes beside these labels."""
    profile = Profile.of(Column(np.stack(answers, axis=-1), np.zeros(len(answers[0]), dtype=bool)), learn_scores())
    detail: dict[str, object] = {"value": 0.3, "low": 0.2, "high": 0.4, "baseline_value": 0.2}
    stated = Finding("rate", "hallucinated", "rate_rise", None, Status.OK, "below", 0.1, detail=detail)
    return with_rate(stated, profile, chosen=chosen)


@pytest.mark.parametrize("share", nightly_except([0.05, 0.1, 0.3], 0.1))
@pytest.mark.parametrize("how", ["random", "stratified", "doubtful", "complaints"])
def test_the_rate_holds_the_truth_or_a_warning_says_that_it_may_not(how: str, share: float) -> None:
    rng = np.random.default_rng(30)
    found = [find(draw(rng, share, how)) for _ in range(ROUNDS)]
    warned = ["labels_selected" in one.detail for one in found]
    inside = [float(str(one.detail["low"])) <= share <= float(str(one.detail["high"])) for one in found]
    if how == "complaints":
        assert np.mean(warned) >= 0.95
        assert np.mean(inside) < 0.05
        return
    assert np.mean(inside) >= 0.93
    if how == "random":
        assert np.mean(warned) <= 0.05


@pytest.mark.parametrize("share", [0.02, 0.1])
def test_labels_by_score_give_a_rate_by_strata_where_the_labels_as_they_are_do_not(share: float) -> None:
    rng = np.random.default_rng(31)
    answers = [draw(rng, share, "stratified") for _ in range(ROUNDS)]
    found = [stratified_rate(Strata.of(*one)) for one in answers]
    assert np.mean([one.low <= share <= one.high for one in found]) >= 0.93
    assert np.mean([one.value for one in found]) == pytest.approx(share, rel=0.06)
    plain = [rate(RateSums.of(*one)) for one in answers]
    assert np.mean([one.low <= share <= one.high for one in plain]) < 0.85


@pytest.mark.parametrize("how", ["stratified", "complaints"])
def test_known_chances_give_the_rate_however_labels_are_chosen(how: str) -> None:
    rng = np.random.default_rng(32)
    inside = []
    for _ in range(400):
        bad = rng.random(ROWS) < 0.1
        chances = np.where(bad, 0.3, 0.05) if how == "complaints" else np.where(np.arange(ROWS) < 600, 0.2, 0.05)
        found = weighted_rate(np.where(rng.random(ROWS) < chances, bad, np.nan), chances)
        inside.append(found.low <= 0.1 <= found.high)
    assert np.mean(inside) >= 0.93
    with pytest.raises(ValueError, match="not above 0"):
        weighted_rate(np.array([1.0]), np.array([0.0]))
    nothing = weighted_rate(np.array([math.nan]), np.array([0.5]))
    assert (nothing.labels, nothing.low, nothing.high) == (0, 0.0, 1.0)


def test_a_random_sample_is_called_selected_as_rarely_as_stated_whatever_the_scores() -> None:
    rng = np.random.default_rng(33)
    samples = {
        "smooth": rng.random((600, 1000)),
        "a rare flag": (rng.random((600, 1000)) < 0.02).astype(float),
        "two values": rng.choice([0.1, 0.9], (600, 1000)),
        "all alike": np.full((600, 1000), 0.3),
    }
    for name, sample in samples.items():
        labels = np.where(rng.random(sample.shape) < 0.03, 1.0, np.nan)
        called = [is_selected(Strata.of(*one), alpha=0.05) for one in zip(sample, labels, strict=True)]
        assert np.mean(called) <= stats.binom.ppf(0.999, 600, 0.05) / 600, name


def test_strata_of_one_score_are_a_plain_share_and_no_label_is_no_rate() -> None:
    alone = stratified_rate(
        Strata.of(np.full(400, 0.3), np.where(np.arange(400) < 50, np.arange(400) % 5 == 0, np.nan))
    )
    assert alone.value == pytest.approx(0.2)
    assert alone.labels == 50
    nothing = stratified_rate(Strata.of(np.full(3, 0.3), np.full(3, np.nan)))
    assert (nothing.labels, nothing.low, nothing.high) == (0, 0.0, 1.0)
    for label in (0.0, 1.0):
        same = stratified_rate(Strata.of(np.linspace(0, 1, 400), np.where(np.arange(400) % 4 == 0, label, np.nan)))
        assert same.value == pytest.approx(label)
        assert same.high - same.low > 0.02


def test_the_finding_says_what_a_rate_assumes_and_what_selected_labels_are_worth() -> None:
    rng = np.random.default_rng(34)
    random, complaints = draw(rng, 0.1, "random"), draw(rng, 0.1, "complaints")
    assert "if they are a random sample" in find(random).reason
    assert "if" not in find(random, "random").reason
    for chosen in (None, "random"):
        told = find(complaints, chosen)
        assert "not a random sample" in told.reason
        assert "without any assumption it lies in" in told.reason
    stated = find(complaints, "by_score")
    assert "not a random sample" not in stated.reason
    assert stated.detail["value"] == find(complaints).detail["value"]
    none = find(complaints, "by_answer")
    assert none.detail["kind"] == "index"
    assert none.detail["value"] == pytest.approx(complaints[0].mean(), abs=1e-3)
    assert "chosen by the answer and give no rate" in none.reason
