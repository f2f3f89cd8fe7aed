"""Report what is left out: rows and labels with an invalid weight, and the signals of quarantined records.

It is unknown how many records a row with an invalid weight represents.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

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

QUARANTINE = (
    "rows have no signals: computing them took too much time (timeout) or memory, ended its process (crash) or failed "
    "(error), or did so for too many rows around them (skipped); look at these rows in the source"
)


def find_left_out(window: Window) -> Iterator[Finding]:
    """Yield findings with the numbers of rows, labels and signals that are left out."""
    facts = [part.facts for part in window.parts]
    rows, invalid = sum(each.rows for each in facts), sum(each.invalid_weights for each in facts)
    labels = sum(each.invalid_labels for each in facts)
    quarantined = sum((Counter(each.quarantined) for each in facts), Counter[str]())
    if invalid:
        reason = f"invalid_weights: {invalid} of {rows + invalid} rows {LEFT_OUT}"
        yield _make_finding("weights", "invalid", reason, {"invalid": invalid}, rows + invalid)
    if labels:
        reason = f"invalid_labels: {labels} of {rows} {LABELS_LEFT_OUT}"
        yield _make_finding("weights", "invalid_labels", reason, {"invalid": labels}, rows)
    if quarantined:
        counts = ", ".join(f"{number} {why}" for why, number in sorted(quarantined.items()))
        reason = f"quarantined: {quarantined.total()} of {rows} {QUARANTINE} ({counts})"
        yield _make_finding("signals", "quarantined", reason, quarantined, rows)


def _make_finding(check: str, method: str, reason: str, counts: Mapping[str, int], rows: int) -> Finding:
    return Finding(
        check,
        None,
        method,
        None,
        Status.INCONCLUSIVE,
        reason,
        sum(counts.values()) / rows,
        n_window=rows,
        about="pipe",
        detail=counts,
    )
