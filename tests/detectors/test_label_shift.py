"""A change of the class balance is told apart from a worse model, also by chance, over many draws."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.label_shift import count_classes, explain_by_labels
from detectors.outcome import learn_scores


def draw(rng: np.random.Generator, rows: int, positive: float, worse: float = 0.0) -> np.ndarray:
    """Return scores by class; a worse model gives higher scores to negative rows."""
    label = rng.random(rows) < positive
    score = np.where(label, rng.beta(5, 2, rows), rng.beta(2 + worse, 5, rows))
    cells = (score * 200).astype(int)
    return np.column_stack([np.bincount(cells[label == side], minlength=200) for side in (False, True)]).astype(float)


@pytest.mark.parametrize("rows", [300, 2000])
@pytest.mark.parametrize(("before", "after"), [(0.3, 0.6), (0.6, 0.2), (0.05, 0.3)])
def test_more_of_one_class_explains_its_scores(rows: int, before: float, after: float) -> None:
    rng = np.random.default_rng(1)
    shares = [explain_by_labels(draw(rng, 5000, before), draw(rng, rows, after)) for _ in range(200)]
    assert np.mean(np.array(shares) >= 0.9) >= 0.95


@pytest.mark.parametrize("rows", [300, 2000])
def test_a_worse_model_is_not_explained_by_labels(rows: int) -> None:
    rng = np.random.default_rng(2)
    assert not any(explain_by_labels(draw(rng, 5000, 0.3), draw(rng, rows, 0.3, worse=2.0)) for _ in range(200))
    both = [explain_by_labels(draw(rng, 5000, 0.3), draw(rng, rows, 0.5, worse=3.0)) for _ in range(200)]
    assert max(both) < 0.9


def test_an_equal_class_balance_explains_nothing() -> None:
    rng = np.random.default_rng(3)
    assert not any(explain_by_labels(draw(rng, 5000, 0.3), draw(rng, 500, 0.3)) for _ in range(500))


def test_a_class_that_is_missing_explains_nothing() -> None:
    one_class = np.column_stack([np.full(20, 10.0), np.zeros(20)])
    both = np.full((20, 2), 10.0)
    assert explain_by_labels(one_class, both) == 0
    assert explain_by_labels(both, np.zeros((20, 2))) == 0


def test_classes_are_counted_by_cell_from_the_sums_of_a_profile() -> None:
    layout = learn_scores()
    cells = len(layout.edges) + 1
    counts = np.zeros(layout.bins)
    counts[3], counts[cells + 5] = 7, 4
    classes = count_classes(counts, layout)
    assert classes.shape == (cells, 2)
    assert (classes[3, 0], classes[5, 1], classes.sum()) == (7, 4, 11)
