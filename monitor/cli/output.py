"""Tables for people and JSON for programs: the one door to the terminal."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import typer

from monitor.core.plain import escape_json, plain, visible


def echo(text: str, *, err: bool = False) -> None:
    """Print text; control characters of logged values are shown and not sent."""
    typer.echo(visible(text), err=err)


def print_json(data: Any) -> None:  # noqa: ANN401
    """Print one JSON document."""
    typer.echo(escape_json(json.dumps(plain(data), indent=2, ensure_ascii=False, allow_nan=False)))


def print_table(headers: Sequence[str], rows: Sequence[Sequence[Any]], empty: str) -> None:
    """Print aligned columns, or a sentence when there are no rows."""
    if not rows:
        echo(empty)
        return
    cells = [[cell(value) for value in row] for row in rows]
    widths = [max(len(line[place]) for line in [list(headers), *cells]) for place in range(len(headers))]
    echo("  ".join(name.ljust(width) for name, width in zip(headers, widths, strict=True)).rstrip())
    for line in cells:
        echo("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def cell(value: Any) -> str:  # noqa: ANN401
    """Write one value for people."""
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, float):
        return f"{value:.4g}"
    text = visible(str(value).replace("\n", " "), keep="")
    return text if len(text) <= 80 else text[:79] + "…"  # noqa: PLR2004


def count_actions(actions: Sequence[Mapping[str, Any]]) -> str:
    """Return how many actions of each receiver, kind and state there are.

    Examples
    --------
    >>> slack = {"receiver": "slack", "kind": "firing", "state": "pending"}
    >>> count_actions([slack, slack, {"receiver": "back", "kind": "rollback", "state": "held"}])
    '2 x slack firing, 1 x back rollback (held)'
    """
    names = [f"{one['receiver']} {one['kind']}" + f" ({one['state']})" * (one["state"] != "pending") for one in actions]
    return ", ".join(f"{count} x {name}" for name, count in Counter(names).items())
