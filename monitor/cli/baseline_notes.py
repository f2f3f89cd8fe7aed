"""Print a baseline: problems of its range and the smallest detectable changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monitor.cli.output import cell, echo


def print_sensitivity(sensitivity: Sequence[Mapping[str, Any]], indent: str = "") -> None:
    """Print the smallest detectable change of each column, as `list_sensitivity` returns it."""
    if sensitivity:
        echo(f"{indent}smallest change that is detected with a probability of at least one half:")
    for each in sensitivity:
        echo(f"{indent}  {each['column']}: {each['finds']}")


def print_baseline_notes(described: Mapping[str, Any] | None) -> None:
    """Print the problems of a baseline's range, and the range that a window was compared with."""
    if not described or not described["notes"]:
        return
    echo("baseline:")
    for note in described["notes"]:
        echo(f"  - {note}")
    if compared := described.get("compared_with"):
        echo(f"  compared with {cell(compared['from'])} to {cell(compared['to'])} ({described['rows']:,} rows)")
