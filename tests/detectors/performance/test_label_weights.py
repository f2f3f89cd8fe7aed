"""Labels that were given with a known probability: each stands for one over it."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy import special

from detectors.base import Criterion, Finding, Status, assess
from detectors.binning import Binning
from detectors.outcome import learn_scores, outcomes
from detectors.performance.measured import DETECTORS, spoken
from detectors.performance.metrics import METRICS
from detectors.performance.rates import Chosen, rate_tally, weighted_labels, with_rate
from detectors.performance.tables import labelled_table
from detectors.performance.weighted_intervals import PARTS, rate_interval
from detectors.profile import Profile
from detectors.records import Column, take
from detectors.weights import UNIT, WEIGHT, weight_column
from tests.support.nightly import nightly_except

WEIGHTED, PLAIN = learn_scores(weighted=True), learn_scores()
Answers = dict[str, Column]


def draw(rng: np.random.Generator, rows: int, bad_chance: float, good_chance: float, share: float = 0.1) -> Answers:
    """Return scored answers of which bad and good ones are labelled with different chances."""
    bad = rng.random(rows) < share
    chances = np.where(bad, bad_chance, good_chance)
    return {
        "score": Column.floats(special.expit(1.5 * (rng.normal(size=rows) + 2.0 * bad) - 2.5)),
        "label": Column.floats(bad.astype(float), rng.random(rows) >= chances),
        "label_probability": Column.floats(chances),
    }


def profile(records: Answers, layout: Binning = WEIGHTED, units: np.ndarray | None = None) -> Profile:
    return Profile.of(outcomes(records, layout), layout, units)


def find(counted: Profile, chosen: Chosen | None = None) -> Finding:
    detail: dict[str, object] = {"value": 0.3, "low": 0.2, "high": 0.4, "baseline_value": 0.2}
    stated = Finding("rate", "hallucinated", "rate_rise", None, Status.OK, "below", 0.1, detail=detail)
    return with_rate(stated, counted, chosen=chosen)


def share_inside(rounds: int, seed: int, share: float = 0.1) -> float:
    """Return how often the interval of a rate contains it, of labels that came with complaints."""
    rng = np.random.default_rng(seed)
    found = [find(profile(draw(rng, 3000, 0.3, 0.01, share))).detail for _ in range(rounds)]
    return float(np.mean([float(str(one["low"])) <= share <= float(str(one["high"])) for one in found]))


def test_the_rate_of_labels_by_complaint_contains_the_truth_and_says_that_labels_are_weighted() -> None:
    assert 0.93 <= share_inside(300, 41) <= 0.985
    complaints = draw(np.random.default_rng(42), 3000, 0.3, 0.01)
    for chosen in (None, "random", "by_answer"):
        told = find(profile(complaints), chosen)
        assert told.detail["kind"] == "rate"
        assert told.detail["labels_weighted"] is True
        assert 10 < float(str(told.detail["labels_effective"])) < float(str(told.detail["labels"]))
        assert "labels_selected" not in told.detail
        assert "labels weighted by 1 / label_probability" in told.reason
        assert "sample" not in told.reason
    assert find(profile(complaints, PLAIN)).detail["labels_selected"] is True


@pytest.mark.nightly
@pytest.mark.parametrize("share", [0.05, 0.1, 0.3])
def test_coverage_of_weighted_labels_over_many_rounds(share: float) -> None:
    assert 0.935 <= share_inside(4000, 43, share) <= 0.98


METRIC_NAMES = ["accuracy", "precision", "recall", "f1", "roc_auc", "log_loss", "brier"]


@pytest.mark.parametrize("name", nightly_except(METRIC_NAMES, "precision", "roc_auc", "log_loss"))
def test_metrics_of_weighted_labels_are_those_of_all_answers(name: str) -> None:
    rng = np.random.default_rng(44)
    answers = draw(rng, 100_000, 0.3, 0.02)
    everything = {**answers, "label": Column.floats(answers["label"].values)}
    truth, _ = METRICS[name](labelled_table(profile(everything, PLAIN)))
    value, error = METRICS[name](labelled_table(profile(answers)))
    assert abs(float(value - truth)) <= 3 * float(error)
    assert float(error) < 0.03
    biased, plain_error = METRICS[name](labelled_table(profile(answers, PLAIN)))
    if name not in ("recall", "roc_auc"):  # these compare within a class, which was labelled with one chance
        assert abs(float(biased - truth)) > 6 * float(plain_error)


@pytest.mark.nightly
def test_intervals_of_metrics_contain_the_truth_where_labels_are_weighted() -> None:
    rng = np.random.default_rng(45)
    all_answers = labelled_table(profile(draw(rng, 200_000, 1.0, 1.0), PLAIN))
    tables = [labelled_table(profile(draw(rng, 6000, 0.3, 0.03))) for _ in range(200)]
    for name in ("accuracy", "recall", "f1", "log_loss", "brier"):
        truth, _ = METRICS[name](all_answers)
        found = [METRICS[name](table) for table in tables]
        assert np.mean([abs(value - truth) <= 1.96 * error for value, error in found]) >= 0.9, name


def shares_inside(rounds: int, rows: int, bad_chance: float, good_chance: float) -> dict[str, float]:
    """Return how often the intervals of the rates contain those of 400,000 answers."""
    rng = np.random.default_rng(51)
    all_answers = labelled_table(profile(draw(rng, 400_000, 1.0, 1.0), PLAIN))
    tables = [labelled_table(profile(draw(rng, rows, bad_chance, good_chance))) for _ in range(rounds)]
    inside = {}
    for name in PARTS:
        truth = float(METRICS[name](all_answers)[0])
        ends = [rate_interval(name, table) for table in tables]
        inside[name] = float(np.mean([low <= truth <= high for low, high in ends]))
    return inside


def test_intervals_of_rates_contain_the_truth_where_one_label_stands_for_a_hundred_answers() -> None:
    assert min(shares_inside(120, 3000, 0.3, 0.01).values()) >= 0.92


@pytest.mark.nightly
@pytest.mark.parametrize("chances", [(3000, 0.3, 0.01), (6000, 0.3, 0.03), (20_000, 0.3, 0.01), (3000, 0.05, 0.05)])
def test_coverage_of_rates_of_weighted_labels_over_many_rounds(chances: tuple[int, float, float]) -> None:
    for name, share in shares_inside(1500, *chances).items():
        assert share >= 0.93, name


def test_no_label_of_a_false_alarm_is_no_proof_of_precision_where_labels_stand_for_many() -> None:
    answers = {
        "score": Column.floats(np.repeat([0.9, 0.1], [40, 20])),
        "label": Column.floats(np.repeat([1.0, 0.0], [40, 20])),
        "label_probability": Column.floats(np.repeat([0.5, 0.01], [40, 20])),
    }
    low, high = rate_interval("precision", labelled_table(profile(answers)))
    assert (float(low) < 0.2, float(high)) == (True, 1.0)
    certain = {**answers, "label_probability": Column.floats(np.full(60, 0.5))}
    assert float(rate_interval("precision", labelled_table(profile(certain)))[0]) > 0.85
    below = {name: column.take(np.arange(40, 60)) for name, column in answers.items()}
    assert [float(end) for end in rate_interval("precision", labelled_table(profile(below)))] == [0.0, 1.0]
    found = DETECTORS["precision"].measure(profile(answers), profile(answers)).detail
    assert (found["low"], found["high"]) == (float(low), float(high))


def test_few_effective_labels_are_inconclusive_however_many_labels_there_are() -> None:
    rng = np.random.default_rng(52)
    old, new = profile(draw(rng, 40_000, 0.3, 0.05)), profile(draw(rng, 3000, 0.3, 0.01))
    told = assess(DETECTORS["precision"], old, new, column="(performance)")
    assert told.status is Status.INCONCLUSIVE
    assert re.fullmatch(
        r"too_few: the window has 1\d\d labels that are worth \d\d of equal weight, 100 needed", told.reason
    )
    assert told.n_window == new.n
    needed = Criterion(min_samples=20)
    assert assess(DETECTORS["precision"], old, new, column="(performance)", criterion=needed).statistic is not None


def test_labels_of_one_probability_tell_what_labels_without_weights_do() -> None:
    answers = draw(np.random.default_rng(46), 4000, 0.25, 0.25)
    one, other = profile(answers), profile(answers, PLAIN)
    assert one.n == other.n == rate_tally(one).labels
    assert weighted_labels(one).effective == pytest.approx(other.n)
    for name in ("positive", "negative", "score"):
        assert np.allclose(labelled_table(one)[name], labelled_table(other)[name])
    for name in ("accuracy", "roc_auc", "log_loss"):
        value, error = METRICS[name](labelled_table(one))
        assert float(value) == pytest.approx(float(METRICS[name](labelled_table(other))[0]))
        assert float(error) == pytest.approx(float(METRICS[name](labelled_table(other))[1]), rel=0.02)


def test_weighted_labels_add_up_exactly_and_labels_without_a_probability_are_left_out() -> None:
    answers = draw(np.random.default_rng(47), 1000, 0.5, 0.2)
    parts = [take(answers, part) for part in np.array_split(np.random.default_rng(48).permutation(1000), 3)]
    whole = profile(answers)
    assert profile(parts[2]) + profile(parts[0]) + profile(parts[1]) == whole
    assert Profile.from_json(whole.to_json(), WEIGHTED) == whole
    wrong = np.array([0.0, -0.1, 1.0001, np.nan, 1e-9, np.inf])
    some = {name: column.take(np.arange(len(wrong))) for name, column in answers.items()}
    some |= {"label": Column.floats(np.ones(len(wrong))), "label_probability": Column.floats(wrong)}
    assert (profile(some).n, profile(some).missing) == (0, len(wrong))


def test_weights_of_rows_multiply_those_of_labels() -> None:
    rng = np.random.default_rng(49)
    answers = draw(rng, 2000, 0.3, 0.05)
    units = np.where(rng.random(2000) < 0.5, UNIT, 4 * UNIT)
    weighted = {**answers, WEIGHT: weight_column(units)}
    sample = profile(weighted, units=units).sample()
    halves = [profile(take(weighted, part), units=units[part]) for part in np.array_split(np.arange(2000), 2)]
    assert weighted_labels((halves[0] + halves[1]).sample()) == weighted_labels(sample)
    plain = profile(answers)
    mixed = (profile(weighted, units=units) + plain).sample()
    total = weighted_labels(mixed)
    assert total.positive == pytest.approx(weighted_labels(sample).positive + weighted_labels(plain).positive)
    labelled = ~answers["label"].missing
    each = units[labelled] / UNIT / answers["label_probability"].values[labelled]
    assert weighted_labels(sample).positive == pytest.approx(
        each[answers["label"].values[labelled] == 1].sum(), rel=1e-5
    )


def test_a_finding_of_a_measured_metric_says_that_labels_are_weighted() -> None:
    rng = np.random.default_rng(50)
    old, new = (profile(draw(rng, 5000, 0.3, 0.05)) for _ in range(2))
    detail = DETECTORS["accuracy"].measure(old, new).detail
    assert detail["labels_weighted"] is True
    assert 30 < float(str(detail["labels_effective"])) < new.n
    assert spoken(detail) == "; labels are weighted by 1 / label_probability"
    assert "labels_weighted" not in DETECTORS["estimated_accuracy"].measure(old, new).detail
