"""Aligned text tables, and a rate with its exact interval as text."""

from __future__ import annotations

from collections.abc import Sequence

from detectors.evaluate import poisson_interval

__all__ = ["poisson_interval", "rate", "table"]


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return the rows as aligned text: numbers to the right, other text to the left, a rule under the head."""
    cells = [[_text(cell) for cell in row] for row in rows]
    widths = [max(len(line[index]) for line in [list(head), *cells]) for index in range(len(head))]
    right = [
        bool(rows) and all(isinstance(row[index], int | float) or row[index] is None for row in rows)
        for index in range(len(head))
    ]

    def line(parts: Sequence[str]) -> str:
        aligned = [part.rjust(w) if r else part.ljust(w) for part, w, r in zip(parts, widths, right, strict=True)]
        return "  ".join(aligned).rstrip()

    return "\n".join([line(list(head)), "  ".join("-" * width for width in widths), *map(line, cells)])


def _text(cell: object) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:.2f}" if abs(cell) < 100 else f"{cell:.0f}"
    return str(cell)


def rate(count: int, weeks: float) -> str:
    """Return a weekly rate with its interval as text: `0.50 (0.06 to 1.81)`."""
    low, high = poisson_interval(count, weeks)
    return f"{count / weeks:.2f} ({low:.2f} to {high:.2f})"
