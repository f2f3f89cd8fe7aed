"""Report rows and labels with an invalid weight, which are ignored, as it is unknown how many they represent."""

from __future__ import annotations

from collections.abc import Iterator

from detectors import Finding, Status
from monitor.checks.window import Window

LEFT_OUT = (
    "are ignored: their weight is not above 0 and at most 1,000,000, or their sampling_fraction not above 0 and at "
    "most 1; correct the mapped column"
)

LABELS_LEFT_OUT = (
    "rows have a label that is left out: its label_probability is missing, not above 0 or above 1; correct the column "
    "that is mapped"
)


def find_invalid_weights(window: Window) -> Iterator[Finding]:
    """Yield findings with the numbers of rows and labels that are ignored for an invalid weight."""
    facts = [part.facts for part in window.parts]
    rows, invalid = sum(each.rows for each in facts), sum(each.invalid_weights for each in facts)
    labels = sum(each.invalid_labels for each in facts)
    if invalid:
        reason = f"invalid_weights: {invalid} of {rows + invalid} rows {LEFT_OUT}"
        yield _make_finding("invalid", reason, invalid, rows + invalid)
    if labels:
        reason = f"invalid_labels: {labels} of {rows} {LABELS_LEFT_OUT}"
        yield _make_finding("invalid_labels", reason, labels, rows)


def _make_finding(method: str, reason: str, invalid: int, rows: int) -> Finding:
    return Finding(
        "weights",
        None,
        method,
        None,
        Status.INCONCLUSIVE,
        reason,
        invalid / rows,
        n_window=rows,
        about="pipe",
        detail={"invalid": invalid},
    )
