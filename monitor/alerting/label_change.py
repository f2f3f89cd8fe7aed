"""Whether the class balance of the labels changed, and since when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from detectors.label_shift import count_classes, explain_by_labels
from detectors.outcome import OUTCOME
from detectors.split_attribution import score_rows, split_since, variance_of_rows
from monitor.checks.baseline import Baseline
from monitor.checks.window import Window


@dataclass(frozen=True)
class LabelChange:
    """What a change of the class balance explains of the scores, from 0 to 1, and the first affected bucket."""

    share: float
    since: datetime


def find_label_change(baseline: Baseline, window: Window) -> LabelChange | None:
    """Return the change of the class balance of a classifier in a window; None if it explains nothing."""
    old, new = (side.profiles.get(None, {}).get(OUTCOME) for side in (baseline, window))
    if old is None or new is None or old.layout.kind != "scores":
        return None
    usual = count_classes(old.counts, old.layout)
    share = explain_by_labels(usual, count_classes(new.counts, new.layout))
    if not share:
        return None
    parts = [part.profiles.get(None, {}).get(OUTCOME) for part in window.parts]
    before = usual.sum(axis=0)
    counts = [before, *(np.zeros(2) if p is None else count_classes(p.counts, p.layout).sum(axis=0) for p in parts)]
    rows = float(np.sum(counts[1:]))
    positive = float(np.sum(counts[1:], axis=0)[1]) / max(1.0, rows)
    scores = np.array([-1.0, 1.0]) * np.sign(positive - before[1] / before.sum())
    weights = [rows / before.sum(), *[1.0] * len(parts)]
    whole = score_rows(counts, scores, weights)
    first = split_since(whole, whole, variance_of_rows(counts, scores, weights)).first
    return LabelChange(share, window.starts[first - 1])
