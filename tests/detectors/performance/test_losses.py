"""Expected errors of a regression: beside scikit-learn's trees, where there is nothing to learn, and as plain data."""

from __future__ import annotations

import json

import numpy as np
import pytest

from detectors.binning import Binning
from detectors.outcome import learn_errors, outcomes
from detectors.performance.interval_calibration import Z
from detectors.performance.losses import FEWEST, LossModel, learn_losses
from detectors.performance.metrics import METRICS
from detectors.performance.tables import expected_table, labelled_table
from detectors.profile import Profile
from detectors.records import Column, take

LAYOUTS = {"x": Binning("numeric"), "fuel": Binning("categorical"), "noise": Binning("numeric")}
SPREAD = {"gas": 1.0, "oil": 3.0, "sun": 0.5}


def rows(rng: np.random.Generator, count: int, low: float = 0.0, high: float = 1.0) -> dict[str, Column]:
    """The error's spread grows with x and hangs on the fuel; the prediction says nothing of either."""
    x, fuel = rng.uniform(low, high, count), rng.choice(list(SPREAD), count)
    truth = rng.normal(50, 10, count)
    spread = (0.5 + 3 * x) * np.array([SPREAD[word] for word in fuel])
    told = {"x": x, "noise": rng.normal(size=count), "prediction": truth + spread * rng.normal(size=count)}
    return {
        **{name: Column.floats(values) for name, values in told.items()},
        "fuel": Column.of(fuel.tolist()),
        "label": Column.floats(truth),
    }


@pytest.fixture(scope="module")
def model() -> LossModel:
    learnt = learn_losses(rows(np.random.default_rng(0), 8000), LAYOUTS)
    assert learnt is not None
    return learnt


def test_the_trees_know_as_much_as_scikit_learns(model: LossModel) -> None:
    from sklearn.ensemble import HistGradientBoostingRegressor

    reference, fresh = rows(np.random.default_rng(0), 8000), rows(np.random.default_rng(1), 4000)
    tables = [
        np.column_stack(
            [r["x"].values, r["noise"].values, r["prediction"].values, [SPREAD[w] for w in r["fuel"].values]]
        )
        for r in (reference, fresh)
    ]
    errors = [np.abs(r["prediction"].values - r["label"].values) for r in (reference, fresh)]
    theirs = HistGradientBoostingRegressor(early_stopping=False, random_state=0).fit(tables[0][:6400], errors[0][:6400])
    left = [
        float(np.mean((errors[1] - guess) ** 2))
        for guess in (model.absolute.expected(fresh), theirs.predict(tables[1]))
    ]
    assert left[0] < 1.02 * left[1]
    assert left[0] < 0.8 * errors[1].var()
    assert np.corrcoef(model.absolute.expected(fresh), theirs.predict(tables[1]))[0, 1] > 0.95


@pytest.mark.nightly
def test_window_by_window_the_labels_show_what_was_expected_when_inputs_move(model: LossModel) -> None:
    """Twenty windows of inputs that the baseline saw less often: the size of the prediction tells nothing of them."""
    rng = np.random.default_rng(2)
    reference = rows(rng, 20_000)
    layout = learn_errors(model.absolute.expected(reference), reference["label"].values, model.to_text())
    blind = learn_errors(reference["prediction"].values, reference["label"].values)
    assert layout is not None
    assert blind is not None
    old, old_blind = (Profile.of(outcomes(reference, each), each) for each in (layout, blind))
    inside = {"mae": 0, "rmse": 0}
    for _ in range(20):
        fresh = rows(rng, 2000, low=0.6)
        new, without = (Profile.of(outcomes(fresh, each), each) for each in (layout, blind))
        for name in inside:
            (guess, error), (truth, _) = METRICS[name](expected_table(old, new)), METRICS[name](labelled_table(new))
            inside[name] += bool(abs(guess - truth) <= Z * error)
            assert abs(guess - truth) < 0.12 * truth
            assert METRICS[name](expected_table(old_blind, without))[0] < 0.9 * truth
    assert min(inside.values()) >= 14, inside


def test_labelled_rows_are_expected_by_themselves_and_parts_add_up(model: LossModel) -> None:
    rng = np.random.default_rng(3)
    reference = rows(rng, 6000)
    layout = learn_errors(model.absolute.expected(reference), reference["label"].values, model.to_text())
    assert layout is not None
    assert Binning.from_json(json.loads(json.dumps(layout.to_json()))).identity == layout.identity
    old = Profile.of(outcomes(reference, layout), layout)
    halves = [Profile.of(outcomes(take(reference, part), layout), layout) for part in np.split(np.arange(6000), 2)]
    assert halves[0] + halves[1] == old
    late = np.where(reference["x"].values > 0.5, reference["label"].values, np.nan)
    window = Profile.of(outcomes({**reference, "label": Column.floats(late, np.isnan(late))}, layout), layout)
    known, _ = METRICS["mae"](expected_table(old, window, labelled=True))
    every, _ = METRICS["mae"](expected_table(old, window))
    truth, _ = METRICS["mae"](labelled_table(window))
    assert float(known) == pytest.approx(float(truth), rel=0.05)
    assert float(every) < 0.8 * float(known)


def test_new_and_missing_values_are_asked_about_too_and_nothing_is_lost_in_writing(model: LossModel) -> None:
    odd = {
        "x": Column.floats(np.array([np.inf, np.nan])),
        "fuel": Column.of(["steam", None]),
        "prediction": Column.floats(np.array([50.0, 50.0])),
    }
    seen = model.absolute.expected(odd)
    assert np.isfinite(seen).all()
    assert seen[0] == seen[1] == model.absolute.expected({"prediction": odd["prediction"]})[0]
    again = LossModel.from_text(model.to_text())
    assert again == model
    assert len(model.absolute.expected(take(odd, np.zeros(0, dtype=np.int64)))) == 0


def test_where_errors_hang_on_nothing_or_rows_are_few_nothing_is_learnt() -> None:
    found = []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        truth = rng.normal(size=3000)
        plain = {
            "prediction": Column.floats(truth + rng.normal(size=3000)),
            "label": Column.floats(truth),
            "x": Column.floats(rng.random(3000)),
        }
        plain["prediction"] = Column.floats(rng.permutation(plain["prediction"].values))
        plain["label"] = Column.floats(plain["prediction"].values + rng.normal(size=3000))
        found.append(learn_losses(plain, {"x": Binning("numeric")}))
    assert found == [None] * 2
    assert learn_losses(rows(np.random.default_rng(0), FEWEST - 1), LAYOUTS) is None
    perfect = rows(np.random.default_rng(0), 1000)
    assert learn_losses({**perfect, "label": perfect["prediction"]}, LAYOUTS) is None
