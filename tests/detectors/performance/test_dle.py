"""Estimates without labels of a regression: right where the inputs explain the errors, honest about the rest."""

from __future__ import annotations

import builtins
import json
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest

from detectors.layout import Layout, learn_categorical, learn_numeric
from detectors.performance import dle
from detectors.performance.dle import Losses, LossModel
from detectors.performance.regression import Errors, mae, rmse
from detectors.records import Column, take

ROWS = 4000


def rows(rng: np.random.Generator, count: int, high: float = 1.0) -> dict[str, Column]:
    """Errors grow with x and are three times as large for the fuel `gas`."""
    x = rng.random(count) * high
    fuel = rng.choice(["gas", "oil"], count)
    error = rng.normal(size=count) * (0.2 + x) * np.where(fuel == "gas", 3.0, 1.0)
    return {
        "x": Column.floats(x), "fuel": Column.of(fuel.tolist()), "guess": Column.floats(5 * x),
        "true": Column.floats(5 * x + error),
    }  # fmt: skip


def layouts(records: dict[str, Column]) -> dict[str, Layout]:
    numeric = {name: records[name].values for name in ("x", "guess", "true")}
    found = {name: learn_numeric(values, values.min(), values.max()) for name, values in numeric.items()}
    return {**found, "fuel": learn_categorical(Counter(records["fuel"].values.tolist()))}


@pytest.fixture(scope="module")
def model() -> LossModel:
    reference = rows(np.random.default_rng(1), ROWS)
    return dle.learn(reference, layouts(reference), "guess", "true")


def realised(records: dict[str, Column]) -> Errors:
    return Errors.of(records["guess"].values, records["true"].values)


def test_the_estimate_follows_a_drift_of_the_inputs(model: LossModel) -> None:
    window = rows(np.random.default_rng(2), 20_000)
    hard = take(window, (window["fuel"].values == "gas") & (window["x"].values > 0.5))
    seen, errors = dle.estimate(model.losses(hard)), realised(hard)
    assert seen["mae"].value == pytest.approx(mae(errors).value, rel=0.05)
    assert seen["rmse"].value == pytest.approx(rmse(errors).value, rel=0.05)
    assert mae(errors).value > 1.5 * mae(realised(window)).value


def test_the_truth_is_not_looked_at(model: LossModel) -> None:
    window = rows(np.random.default_rng(3), 500)
    assert "true" not in model.layouts
    assert model.losses({**window, "true": Column.floats(np.zeros(500))}) == model.losses(window)


def test_parts_are_the_whole_and_survive_storage(model: LossModel) -> None:
    window = rows(np.random.default_rng(4), 900)
    window["guess"].values[::50] = np.nan
    order = np.random.default_rng(5).permutation(900)
    parts = [model.losses(take(window, part)) for part in np.array_split(order, 5)]
    whole = model.losses(window)
    assert sum(parts, Losses()) == whole == sum(parts[::-1], Losses())
    assert (whole.rows, whole.unusable) == (882, 18)
    assert Losses.from_json(json.loads(json.dumps(whole.to_json()))) == whole


def test_intervals_hold_at_the_nominal_rate(model: LossModel) -> None:
    """Fifteen windows of each of two references: 30 rounds, three standard errors are 3.6."""
    rng = np.random.default_rng(6)
    inside = {"mae": 0, "rmse": 0}
    for _ in range(2):
        reference = rows(rng, 1500)
        learnt = dle.learn(reference, layouts(reference), "guess", "true")
        for _ in range(15):
            window = rows(rng, 400, high=0.7)
            seen, errors = dle.estimate(learnt.losses(window)), realised(window)
            for name, value in (("mae", mae(errors).value), ("rmse", rmse(errors).value)):
                inside[name] += seen[name].low <= value <= seen[name].high
    assert all(count >= 24 for count in inside.values()), inside


def test_new_categories_missing_values_and_missing_columns_are_missing(model: LossModel) -> None:
    count = 50
    odd = {
        "x": Column.floats(np.full(count, np.inf)), "fuel": Column.of(["steam", None] * 25),
        "guess": Column.floats(np.ones(count)),
    }  # fmt: skip
    table = dle.encode(odd, model.layouts)
    assert np.isnan(table[:, [0, 2]]).all()
    assert math.isfinite(dle.estimate(model.losses(odd))["mae"].value)
    assert model.losses({"guess": odd["guess"]}) == model.losses(odd)


def test_nothing_gives_no_estimate(model: LossModel) -> None:
    nothing = model.losses({"guess": Column.floats(np.full(3, np.nan))})
    assert (nothing.rows, nothing.unusable) == (0, 3)
    assert all(math.isnan(one.value) for one in dle.estimate(nothing).values())


def test_wrong_input_is_refused_in_a_sentence() -> None:
    few = rows(np.random.default_rng(7), 100)
    with pytest.raises(ValueError, match="take a longer reference"):
        dle.learn(few, layouts(few), "guess", "true")
    with pytest.raises(ValueError, match="version"):
        Losses.from_json({"v": 0})


def test_without_scikit_learn_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("sklearn"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    reference = rows(np.random.default_rng(8), 600)
    with pytest.raises(ImportError, match=r"driftd\[report\]"):
        dle.learn(reference, layouts(reference), "guess", "true")
