"""Tables for people and JSON for programs: the one door to the terminal."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import zip_longest
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
    """Print aligned columns, in a terminal no wider than it if possible, or a sentence when there are no rows."""
    if not rows:
        echo(empty)
        return
    cells = [[cell(value) for value in row] for row in rows]
    widths = [max(len(line[place]) for line in [list(headers), *cells]) for place in range(len(headers))]
    if sys.stdout.isatty():
        widths = fit_widths([list(headers), *cells], widths, shutil.get_terminal_size().columns)
    for line in [list(headers), *cells]:
        wrapped = [_wrap(text, width) for text, width in zip(line, widths, strict=True)]
        for parts in zip_longest(*wrapped, fillvalue=""):
            echo("  ".join(part.ljust(width) for part, width in zip(parts, widths, strict=True)).rstrip())


def _wrap(text: str, width: int) -> list[str]:
    if len(text) <= width:
        return [text]
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)


def fit_widths(lines: Sequence[Sequence[str]], widths: Sequence[int], available: int) -> list[int]:
    """Narrow the widest columns until a table fits into a terminal, no column below its longest word.

    Examples
    --------
    >>> fit_widths([["state", "detail"], ["firing", "the rate is too high"]], [6, 20], 20)
    [6, 12]
    """
    least = [max(len(word) for line in lines for word in (line[place].split() or [""])) for place in range(len(widths))]
    narrowed = list(widths)
    gaps = 2 * (len(widths) - 1)
    if sum(least) + gaps > available:
        return narrowed
    while sum(narrowed) + gaps > available:
        place = max(range(len(narrowed)), key=lambda column: (narrowed[column] > least[column], narrowed[column]))
        narrowed[place] -= 1
    return narrowed


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
