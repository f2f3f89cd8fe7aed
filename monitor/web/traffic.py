"""Tables and charts of the usage of the newest window, for a monitor's web page. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from markupsafe import Markup

from monitor.web import charts, formatting

Number = Callable[[Mapping[str, Any]], float | None]


MOST_POINTS = 150


@dataclass(frozen=True)
class Table:
    """A table of numbers; a row has a segment, a name and cells."""

    title: str
    heads: Sequence[str]
    rows: Sequence[tuple[str, str, Sequence[Markup]]]


def usage_tables(usage: Mapping[str, Any] | None) -> list[Table]:
    """Return the tables of traffic and cost, times and load, as far as they are logged."""
    if not usage:
        return []
    segments: Mapping[str, Any] = usage["segments"]
    columns = _columns(usage["currency"])
    heads = [one for one in columns if any(one[1](used) is not None for used in segments.values())]
    rows = [
        (segment, "", [cell(number(used), form) for _, number, form in heads]) for segment, used in segments.items()
    ]
    tables = [Table("Traffic and cost", [head for head, _, _ in heads], rows)]
    tables += [_nested_table("Times, in seconds", "times", ("p50", "p90", "p95", "p99"), segments)]
    tables += [_nested_table("Load, as logged", "loads", ("mean", "max"), segments)]
    return [table for table in tables if table.rows]


def _nested_table(title: str, field: str, heads: Sequence[str], segments: Mapping[str, Any]) -> Table:
    inner = {"p50": "0.5", "p90": "0.9", "p95": "0.95", "p99": "0.99"}
    rows = [
        (segment, name, [cell(value.get(inner.get(head, head)), formatting.number) for head in heads])
        for segment, used in segments.items()
        for name, value in used[field].items()
    ]
    return Table(title, heads, rows)


def _columns(currency: str) -> list[tuple[str, Number, Callable[[float], str]]]:
    return [
        ("requests", lambda used: used["requests"], formatting.number),
        ("per second", lambda used: used["requests"] / used["seconds"], formatting.number),
        *((f"{kind.replace('_', ' ')} tokens", _tokens(kind), formatting.number) for kind in _KINDS),
        (f"cost, {currency}", _cost("amount"), money),
        ("cost per success", _cost("per_success"), money),
        ("unpriced", _cost("unpriced"), formatting.number),
        *((name.replace("_", " "), _share(name), percent) for name in ("failed", "rate_limited", "timed_out")),
    ]


def limit_points(starts: Sequence[datetime]) -> tuple[Sequence[datetime], int]:
    """Return at most 150 evenly spaced buckets, including the newest, and their spacing in buckets."""
    every = max(1, -(-len(starts) // MOST_POINTS))
    return list(reversed(list(reversed(starts))[::every])), every


def draw_charts(
    rows: Sequence[Any], start: datetime, end: datetime, step: timedelta, spans: Sequence[charts.ShadedSpan]
) -> list[tuple[str, Markup]]:
    """Draw requests, tokens, cost, failures and latency over time, as far as they are logged."""
    used = [(row.start, (row.usage or {}).get("segments", {}).get("", {})) for row in rows]
    drawn = []
    for title, number in _SERIES:
        points = [charts.Point(at, number(one) if one else None) for at, one in used]
        if any(point.value is not None for point in points):
            made = charts.line_chart(points, start=start, end=end, step=step, title=title, spans=spans)
            drawn.append((title, made))
    return drawn


_SERIES: Sequence[tuple[str, Number]] = (
    ("requests per second", lambda used: float(used["requests"]) / float(used["seconds"])),
    ("output tokens per second", lambda used: _each_second(used, "output")),
    ("cost of the window", lambda used: used.get("cost", {}).get("amount")),
    ("share of requests that failed", lambda used: used["shares"].get("failed")),
    ("95th percentile of latency, in seconds", lambda used: used["times"].get("latency", {}).get("0.95")),
)


def _each_second(used: Mapping[str, Any], kind: str) -> float | None:
    total = used["tokens"].get(kind, {}).get("total")
    return None if total is None else float(total) / float(used["seconds"])


_KINDS = ("input", "output", "cached", "reasoning")


def _tokens(kind: str) -> Number:
    return lambda used: used["tokens"].get(kind, {}).get("total")


def _cost(field: str) -> Number:
    return lambda used: used.get("cost", {}).get(field)


def _share(name: str) -> Number:
    return lambda used: used["shares"].get(name)


def money(amount: float) -> str:
    """Format an amount: with two decimals from one unit on, else with four significant digits."""
    return f"{amount:,.2f}" if abs(amount) >= 1 else formatting.number(amount)


def percent(share: float) -> str:
    """Format a share as a percentage."""
    return f"{share:.2%}"


def cell(value: float | None, form: Callable[[float], str]) -> Markup:
    """Return a <data> element with the formatted number and the exact value."""
    if value is None:
        return Markup("{}").format(formatting.DASH)
    return Markup('<data value="{}">{}</data>').format(repr(float(value)), form(value))
