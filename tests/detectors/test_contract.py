"""What every detector and every signal promises, checked over the registries."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from detectors import DETECTORS, SIGNALS, assess
from detectors.base import Status
from detectors.binning import Binning, learn_categorical
from detectors.profile import Profile
from detectors.records import Column
from tests.detectors.columns import numeric_pair, pair

CASES = [(name, kind) for name, detector in DETECTORS.items() for kind in sorted(detector.kinds - {"vector"})]
RATE_OF_A_SMOOTH_COLUMN = ("rate_ratio", "numeric")
"""How often one bin of many is met: it neither grows nor falls with a shift."""
DRIFT = [(name, kind) for name, kind in CASES if DETECTORS[name].check == "drift"]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_measuring_is_deterministic_and_leaves_its_input_alone(name: str, kind: str) -> None:
    old, new = pair(kind, np.random.default_rng(0), 3000, 0.4)
    before = (old.to_json(), new.to_json())
    first = DETECTORS[name].measure(old, new)
    assert DETECTORS[name].measure(old, new) == first
    assert (old.to_json(), new.to_json()) == before


@pytest.mark.parametrize(
    ("name", "kind"), [case for case in DRIFT if case[0] != "spread" and case != RATE_OF_A_SMOOTH_COLUMN]
)
def test_a_growing_shift_grows_the_statistic(name: str, kind: str) -> None:
    statistics = [
        DETECTORS[name].measure(*pair(kind, np.random.default_rng(1), 20_000, shift)).statistic
        for shift in (0.0, 0.1, 0.3, 0.6, 1.0)
    ]
    assert statistics == sorted(statistics)
    assert statistics[-1] > 5 * statistics[0]


def test_a_growing_spread_grows_its_statistic() -> None:
    rng = np.random.default_rng(1)
    old = rng.normal(size=20_000)
    statistics = [
        DETECTORS["spread"].measure(*numeric_pair(old, rng.normal(size=20_000) * scale)).statistic
        for scale in (1.0, 1.1, 1.3, 1.7, 2.5)
    ]
    assert statistics == sorted(statistics)
    assert statistics[-1] > 5 * statistics[0]


@pytest.mark.parametrize(("name", "kind"), DRIFT)
def test_order_of_rows_and_pages_changes_nothing(name: str, kind: str) -> None:
    rng = np.random.default_rng(2)
    old, _ = pair(kind, rng, 10, 0.0)
    if kind == "numeric":
        values = rng.normal(size=999)
        column, shuffled = Column.floats(values), Column.floats(rng.permutation(values))
    else:
        words = list(rng.choice(list("abcd"), 999))
        column, shuffled = Column.of(words), Column.of(rng.permutation(words).tolist())
    whole = Profile.of(column, old.layout)
    pages = Profile.of(shuffled.take(np.arange(400)), old.layout) + Profile.of(
        shuffled.take(np.arange(400, 999)), old.layout
    )
    assert whole == pages
    assert DETECTORS[name].measure(old, whole) == DETECTORS[name].measure(old, pages)


HOSTILE = {
    "all null": Column.of([None] * 500),
    "one row": Column.floats(np.array([1.0])),
    "constant": Column.floats(np.full(500, 3.0)),
    "not finite": Column.floats(np.array([np.nan, np.inf, -np.inf] * 200)),
    "huge": Column.floats(np.array([1e308, -1e308, 5e-324, -0.0] * 200)),
    "mixed": Column.of([1, "2", "x", None, True, 10**400, b"3"] * 100),
    "empty": Column.of([]),
    "texts": Column.of(["\x00", "é" * 5000, "", "<b>"] * 100),
}


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("side", ["baseline", "window"])
@pytest.mark.parametrize(("name", "kind"), CASES)
def test_whatever_the_rows_hold_the_answer_is_a_finding(name: str, kind: str, side: str, hostile: str) -> None:
    usual, _ = pair(kind, np.random.default_rng(3), 10, 0.0)
    odd = Profile.of(HOSTILE[hostile], usual.layout)
    old, new = (odd, usual) if side == "baseline" else (usual, odd)
    finding = assess(DETECTORS[name], old, new, column="x")
    assert finding.reason
    if finding.status in (Status.OK, Status.DRIFTED):
        assert finding.statistic is not None
        assert np.isfinite(finding.statistic)
        assert finding.threshold is not None
    else:
        assert finding.statistic is None


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_too_few_rows_are_inconclusive_on_either_side(name: str, kind: str) -> None:
    old, new = pair(kind, np.random.default_rng(4), 99, 3.0)
    for pair_of in ((old, new), (new, old)):
        finding = assess(DETECTORS[name], *pair_of, column="x")
        assert finding.status is Status.INCONCLUSIVE
        assert finding.reason.startswith("too_few")


def test_a_wrong_kind_of_column_is_an_error_and_not_a_crash() -> None:
    old, new = pair("categorical", np.random.default_rng(5), 500, 0.0)
    finding = assess(DETECTORS["kolmogorov_smirnov"], old, new, column="x")
    assert finding.status is Status.ERROR


def test_a_column_that_the_baseline_never_filled_is_inconclusive() -> None:
    layout = Binning(kind="numeric")
    empty = Profile.of(Column.of([None] * 500), layout)
    full = Profile.of(Column.floats(np.arange(500.0)), layout)
    for name, kind in CASES:
        if kind == "numeric" and DETECTORS[name].counts == "usable":
            assert assess(DETECTORS[name], empty, full, column="x").status is Status.INCONCLUSIVE


@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_is_documented(name: str) -> None:
    text = inspect.getdoc(DETECTORS[name].measure) or ""
    assert ">>>" in text
    assert "Limits" in text
    assert DETECTORS[name].citation
    assert DETECTORS[name].unit


RECORDS = {
    "question": Column.of(["q", None, "", "é" * 100_000, "<script>"]),
    "context": Column.of(["The cat sat.", "x", None, "word " * 100_000, ""]),
    "response": Column.of(
        ["the cat", None, "y", "\x00\ud800".encode("utf-16", "surrogatepass").decode("utf-16", "replace"), ""]
    ),
    "samples": Column.of(['["a", "b"]', None, "[" * 100_000, "{}", '["é"]']),
    "logprobs": Column.of(["[-0.5, null]", None, "[" * 100_000, '{"content": [{"token": "y"}]}', "[true]"]),
    "finish_reason": Column.of(["length", None, "", '["stop"]', "?"]),
    "feedback": Column.of([True, None, "👎", 1e308, "{" * 100_000]),
    "status": Column.of([200, None, "x" * 100_000, float("nan"), True]),
    "model_version": Column.of(["gpt-4o", None, "", "x/" * 10_000, "azure/gpt-4o"]),
    "error_type": Column.of(["429", None, "", "timeout " * 10_000, 0]),
    "input_tokens": Column.of([1, None, "12", 1e300, 7]),
    "output_tokens": Column.of([1, None, "12", -1e308, "many"]),
    "latency": Column.of([0.0, 1.0, 1e-320, float("inf"), None]),
}


@pytest.mark.parametrize("name", SIGNALS)
def test_every_signal_gives_one_value_a_record_and_leaves_its_input_alone(name: str) -> None:
    before = {role: (list(column.values), list(column.missing)) for role, column in RECORDS.items()}
    column = SIGNALS[name].compute(RECORDS)
    assert len(column) == 5
    assert column.missing.dtype == bool
    assert {role: (list(c.values), list(c.missing)) for role, c in RECORDS.items()} == before
    text = inspect.getdoc(SIGNALS[name].compute) or ""
    assert ">>>" in text
    assert "Limits" in text


def test_one_outlier_neither_hides_a_drift_nor_makes_one() -> None:
    rng = np.random.default_rng(6)
    old, shifted, same = rng.normal(size=5000), rng.normal(0.5, size=5000), rng.normal(size=5000)
    for name, kind in DRIFT:
        if kind != "numeric":
            continue
        for values in (shifted, same):
            plain = assess(DETECTORS[name], *numeric_pair(old, values), column="x")
            odd = assess(DETECTORS[name], *numeric_pair(old, np.append(values, 1e9)), column="x")
            assert plain.status is odd.status
            assert odd.statistic == pytest.approx(plain.statistic, rel=0.02, abs=0.002)


@pytest.mark.parametrize(("name", "kind"), [case for case in DRIFT if case != RATE_OF_A_SMOOTH_COLUMN])
def test_the_verdict_does_not_flip_because_n_grew(name: str, kind: str) -> None:
    def statuses(seed: int, effect: float) -> list[Status]:
        found = []
        for n in (1000, 10_000, 200_000):
            rng = np.random.default_rng(seed)
            sides = pair(kind, rng, n, effect)
            if name == "spread":
                sides = numeric_pair(rng.normal(size=20_000), rng.normal(size=n) * (1 + effect))
            found.append(assess(DETECTORS[name], *sides, column="x").status)
        return found

    assert statuses(7, 0.02) == [Status.OK] * 3
    assert statuses(8, 1.0) == [Status.DRIFTED] * 3


def test_a_million_categories_stay_a_bounded_profile() -> None:
    from collections import Counter

    words = [f"v{i}" for i in range(100_000)]
    layout = learn_categorical(Counter(words))
    profile = Profile.of(Column.of(words), layout)
    assert layout.bins == 257
    assert not layout.complete
    assert profile.n == 100_000
