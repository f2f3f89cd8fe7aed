"""Alerts on streams in which nothing changes, held against the alert budget."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.awkward import fast, streams
from benchmarks.awkward.goals import Goal
from benchmarks.detection import tables

WEEK, MONTH = "1/week", "1/month"
ALLOWED = {WEEK: 1.0, MONTH: 7 * 12 / 365.25}
PER_KIND = 1.25
"""Times the budget that one kind may cost by its point estimate; all kinds together may cost it once."""
MOST_BLAMED = 3


@dataclass(frozen=True)
class Quiet:
    """What a stream without a change has cost."""

    kind: str
    budget: str
    weeks: float
    alerts: int
    no_data: int
    columns: tuple[str, ...]
    """Columns named by each alert."""


def of_stream(kind: str, seed: int, budget: str, weeks: float) -> Quiet:
    """Backtest one stream. `no_data` is a false alert, but for a kind that has outages."""
    pathology = kind in streams.PATHOLOGIES
    stream = (streams.ailing if pathology else streams.quiet)(kind, seed, weeks)
    report = fast.run(stream, budget, **streams.settings(kind))
    outages = not pathology and streams.KINDS[kind].outages
    named = [column for incident in report["incidents"] for column in incident["columns"] or incident["checks"]]
    silences = 0 if outages else report["no_data"]
    return Quiet(kind, budget, report["weeks"], report["pages"] + silences, silences, tuple(named))


def table(kinds: Sequence[str], budget: str, results: Sequence[Quiet]) -> str:
    """Return alerts a week of each kind with a 95 % interval, and of all kinds together."""
    rows = []
    for kind in [*kinds, "all"]:
        own = [one for one in results if one.budget == budget and kind in (one.kind, "all")]
        if not own:
            continue
        alerts, weeks = sum(one.alerts for one in own), sum(one.weeks for one in own)
        times = alerts / weeks / ALLOWED[budget]
        blamed = Counter(column for one in own for column in one.columns).most_common(MOST_BLAMED)
        rows.append(
            [
                kind,
                len(own),
                round(weeks, 1),
                alerts,
                tables.rate(alerts, weeks),
                times,
                sum(one.no_data for one in own),
                "" if times <= (1 if kind == "all" else PER_KIND) else "BROKEN",
                "" if kind == "all" else ", ".join(f"{column} {count}" for column, count in blamed),
            ]
        )
    head = ["kind", "streams", "weeks", "alerts", "a week (95 % interval)", "x budget", "no_data", "", "columns"]
    return tables.table(head, rows)


def goals(kinds: Sequence[str], results: Sequence[Quiet]) -> list[Goal]:
    """Return what is wanted of each kind at one a week, and of all kinds at both budgets."""
    wanted = []
    for budget, allowed in ALLOWED.items():
        costs = {kind: _times(kind, budget, allowed, results) for kind in [*kinds, "all"]}
        for kind, times in costs.items():
            most = 1.0 if kind == "all" else PER_KIND
            if times is not None and (kind == "all" or budget == WEEK):
                name = f"quiet, {kind}: alerts at most {most:g} x {budget}"
                wanted.append(Goal(name, f"{times:.2f} x", times <= most))
    return wanted


def _times(kind: str, budget: str, allowed: float, results: Sequence[Quiet]) -> float | None:
    own = [one for one in results if one.budget == budget and kind in (one.kind, "all")]
    return sum(one.alerts for one in own) / sum(one.weeks for one in own) / allowed if own else None
