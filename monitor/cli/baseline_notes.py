"""What is printed of a baseline: notes on its range, and the smallest changes that it finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monitor.cli.output import cell, echo


def print_sensitivity(found: Sequence[Mapping[str, Any]], indent: str = "") -> None:
    """Print the smallest change of each column that is found, as `list_sensitivity` returns it."""
    if found:
        echo(f"{indent}smallest change that is detected with a probability of at least one half:")
    for each in found:
        echo(f"{indent}  {each['column']}: {each['finds']}")


def print_baseline_notes(told: Mapping[str, Any] | None) -> None:
    """Print what was noticed in a baseline's range, and what a window was compared with."""
    if not told or not told["notes"]:
        return
    echo("baseline:")
    for note in told["notes"]:
        echo(f"  - {note}")
    if compared := told.get("compared_with"):
        echo(f"  compared with {cell(compared['from'])} to {cell(compared['to'])} ({told['rows']:,} rows)")
