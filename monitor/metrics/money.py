"""What was spent, and what may be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from detectors.spend.budget import PERIODS
from monitor.metrics.base import MetricRow, Sample, label_values
from monitor.store.reads import Snapshot


def _money(field: str) -> Callable[[Snapshot], Iterable[Sample]]:
    def samples(state: Snapshot) -> Iterator[Sample]:
        for monitor in state.monitors:
            for row in monitor.findings:
                if row.method in PERIODS and row.detail and field in row.detail:
                    yield label_values(monitor.name, row.method, row.detail["currency"]), float(row.detail[field])

    return samples


ROWS: tuple[MetricRow, ...] = (
    MetricRow(
        "driftd_spend", "gauge", ("monitor", "period", "currency"),
        "Spent so far in the day or month, in the currency of the account.",
        _money("value"),
    ),
    MetricRow(
        "driftd_spend_budget", "gauge", ("monitor", "period", "currency"),
        "What the day or month may cost.",
        _money("budget"),
    ),
    MetricRow(
        "driftd_spend_unpriced_requests", "gauge", ("monitor", "period", "currency"),
        "Requests of the day or month that nobody could price, and that are not in what was spent.",
        _money("unpriced"),
    ),
)  # fmt: skip
