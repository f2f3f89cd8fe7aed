"""Print tables and JSON; all output to the terminal goes through this module."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import zip_longest
from typing import Any

import typer

from monitor.core.plain import escape_json, plain, visible

EMPTY = "-"
GAP = "  "
INDENT = "    "
NO_BREAK = "\N{NO-BREAK SPACE}"
LONGEST_UNBROKEN = 20
"""Characters of a cell that is never wrapped, such as a time."""
SENTENCES = ("reason", "detail", "why")
"""Names of columns of sentences; such a column is the last of its table."""
NARROWEST_SENTENCES = 24


def echo(text: str, *, err: bool = False) -> None:
    """Print text with control characters escaped."""
    typer.echo(visible(text), err=err)


def print_json(data: Any) -> None:  # noqa: ANN401
    """Print one JSON document."""
    typer.echo(escape_json(json.dumps(plain(data), indent=2, ensure_ascii=False, allow_nan=False)))


def print_table(headers: Sequence[str], rows: Sequence[Sequence[Any]], empty: str) -> None:
    """Print rows as aligned columns within the width of the terminal, or a sentence when there are none.

    Nothing is cut. In a table that is too wide, cells are wrapped. If that does not suffice, columns from the right are
    printed below each row: sentences as a paragraph of their own, other values with the name of the column.

    Parameters
    ----------
    headers
        Names of the columns.
    rows
        One value per column.
    empty
        Printed instead of a table without rows.
    """
    if not rows:
        echo(empty)
        return
    for line in lay_out(headers, [[cell(value) for value in row] for row in rows], shutil.get_terminal_size().columns):
        echo(line)


def lay_out(headers: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """Yield the lines of a table for a terminal of ``width`` columns.

    Examples
    --------
    >>> list(lay_out(["id", "reason"], [["7", "the error rate is too high"]], 24))
    ['id', '7', '    the error rate is', '    too high']
    """
    widths = _column_widths(headers, rows, len)
    narrowest = _column_widths(headers, rows, _narrowest)
    if headers[-1] in SENTENCES:
        narrowest[-1] = max(narrowest[-1], min(widths[-1], NARROWEST_SENTENCES))
    inline = len(headers)
    while inline > 1 and _total(narrowest[:inline]) > width:
        inline -= 1
    widths = fit_widths(widths[:inline], narrowest[:inline], width)
    yield from _align(headers[:inline], widths)
    for row in rows:
        yield from _align(row[:inline], widths)
        yield from _indent(headers[inline:], row[inline:], width)


def fit_widths(widths: Sequence[int], narrowest: Sequence[int], available: int) -> list[int]:
    """Narrow the widest columns until a table fits, no column below its longest word.

    Examples
    --------
    >>> fit_widths([6, 20], [6, 4], 20)
    [6, 12]
    """
    fitted = list(widths)
    while _total(fitted) > available and fitted != list(narrowest):
        place = max(range(len(fitted)), key=lambda column: (fitted[column] > narrowest[column], fitted[column]))
        fitted[place] -= 1
    return fitted


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _narrowest(text: str) -> int:
    if len(text) <= LONGEST_UNBROKEN:
        return len(text)
    return max((len(word) for word in text.split()), default=0)


def _column_widths(headers: Sequence[str], rows: Sequence[Sequence[str]], size: Callable[[str], int]) -> list[int]:
    return [max(size(text) for text in column) for column in zip(headers, *rows, strict=True)]


def _align(texts: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    wrapped = [_wrap(text, width) for text, width in zip(texts, widths, strict=True)]
    for parts in zip_longest(*wrapped, fillvalue=""):
        yield GAP.join(part.ljust(width) for part, width in zip(parts, widths, strict=True)).rstrip()


def _indent(names: Sequence[str], texts: Sequence[str], width: int) -> Iterator[str]:
    """Yield the values below a row: those with a name in one paragraph, the sentence in another."""
    values = [(name, text) for name, text in zip(names, texts, strict=True) if text != EMPTY]
    named = ", ".join(_unbroken(f"{name} {text}") for name, text in values if name not in SENTENCES)
    sentences = [text for name, text in values if name in SENTENCES]
    for text in filter(None, (named, *sentences)):
        yield from (f"{INDENT}{line.replace(NO_BREAK, ' ')}" for line in _wrap(text, width - len(INDENT)))


def _unbroken(pair: str) -> str:
    """Keep a short name and its value on one line."""
    return pair if len(pair) > 2 * LONGEST_UNBROKEN else pair.replace(" ", NO_BREAK)


def _wrap(text: str, width: int) -> list[str]:
    if len(text) <= width:
        return [text]
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)


def cell(value: Any) -> str:  # noqa: ANN401
    """Format one value."""
    if value is None:
        return EMPTY
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, float):
        return f"{value:.4g}"
    return visible(str(value).replace("\n", " "), keep="")


def count_actions(actions: Sequence[Mapping[str, Any]]) -> str:
    """Return the number of actions per receiver, kind and state.

    Examples
    --------
    >>> slack = {"receiver": "slack", "kind": "firing", "state": "pending"}
    >>> count_actions([slack, slack, {"receiver": "back", "kind": "rollback", "state": "held"}])
    '2 x slack firing, 1 x back rollback (held)'
    """
    names = [f"{one['receiver']} {one['kind']}" + f" ({one['state']})" * (one["state"] != "pending") for one in actions]
    return ", ".join(f"{count} x {name}" for name, count in Counter(names).items())
