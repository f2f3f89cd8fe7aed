"""Rows whose weight cannot be used: nobody knows how many requests they stand for, so they are left out."""

from __future__ import annotations

from collections.abc import Iterator

from detectors import Finding, Status
from monitor.checks.window import Window

LEFT_OUT = (
    "are left out: their weight is not above 0 and at most 1,000,000, or their sampling_fraction not above 0 and at "
    "most 1; correct the column that is mapped"
)


def find_invalid_weights(window: Window) -> Iterator[Finding]:
    """Say how many rows are left out because nobody knows how many requests they stand for."""
    facts = [part.facts for part in window.parts]
    rows, invalid = sum(each.rows for each in facts), sum(each.invalid_weights for each in facts)
    if invalid:
        reason = f"invalid_weights: {invalid} of {rows + invalid} rows {LEFT_OUT}"
        share = invalid / (rows + invalid)
        yield Finding(
            "weights",
            None,
            "invalid",
            None,
            Status.INCONCLUSIVE,
            reason,
            share,
            n_window=rows + invalid,
            about="pipe",
            detail={"invalid": invalid},
        )
