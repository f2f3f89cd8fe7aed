"""`driftd drilldown`: find the columns that together separate the rows of a window from those of its baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from detectors.binning import Binning
from detectors.drilldown.domain_classifier import separate
from detectors.drilldown.pca import reconstruction
from monitor.cli.options import DEFAULT_CONFIG, AsJson, ConfigOption, MonitorName, WindowEnd
from monitor.cli.output import echo, print_json, print_table
from monitor.cli.window_samples import WindowSamples, load_samples
from monitor.config.models import ConfigError

if TYPE_CHECKING:
    import pandas as pd

MOST_VALUES = 5
"""Values of a categorical column that get an indicator column each: the most frequent of either side."""


def drilldown(
    config: ConfigOption = DEFAULT_CONFIG,
    monitor: MonitorName = None,
    at: WindowEnd = None,
    as_json: AsJson = False,
) -> None:
    """Find the columns that, taken together, separate a window's rows from its baseline's.

    Example: driftd drilldown --monitor churn --at 2026-11-20T12:00:00Z --json
    """
    watched = config.monitor(monitor)
    result = {"monitor": watched.name, **separation(load_samples(watched, at))}
    if as_json:
        print_json(result)
        return
    classifier, together = result["domain_classifier"], result["reconstruction"]
    echo(
        f"{watched.name}, {result['rows']} rows from {result['start']} to {result['end']} "
        f"against {result['baseline_rows']}: "
        f"a classifier separates them with AUC {classifier['auc']:.3f} (p = {classifier['p_value']:.2g})."
    )
    echo(
        f"Distance from the baseline's {together['axes']} main axes: {together['now']:.3g}, "
        f"before {together['before']:.3g} "
        f"(p = {together['p_value']:.2g}); a change means that the correlations of the columns have changed."
    )
    rows = [[one["column"], one["auc_drop"], one["residual_growth"]] for one in result["columns"]]
    print_table(("column", "AUC lost without it", "growth of its residual"), rows, "")


def separation(samples: WindowSamples) -> dict[str, Any]:
    """Fit both drill-downs to the samples."""
    names, before, now = table(samples)
    try:
        classifier, together = separate(before, now), reconstruction(before, now)
    except ValueError as error:
        raise ConfigError(f"the two sides cannot be compared: {error}") from error
    drop, growth = (_by_column(names, values) for values in (classifier.drop, together.excess))
    columns = sorted(drop, key=lambda column: -drop[column])
    return {
        "start": samples.start,
        "end": samples.end,
        "rows": len(now),
        "baseline_rows": len(before),
        "domain_classifier": {"auc": classifier.auc, "p_value": classifier.p_value},
        "reconstruction": {
            "axes": together.axes,
            "explained": together.explained,
            "before": together.before,
            "now": together.now,
            "p_value": together.p_value,
        },
        "columns": [{"column": one, "auc_drop": drop[one], "residual_growth": growth[one]} for one in columns],
    }


def table(samples: WindowSamples) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return the column of each feature, and the features of the rows of both sides.

    A categorical column becomes one indicator per value. A missing value is NaN; if only some values of a column are
    missing, an indicator of missing values is added.
    """
    names: list[str] = []
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    for column, layout in _comparable(samples.layouts, samples.baseline).items():
        pairs = _numbers(samples.baseline[column], samples.window[column], layout)
        parts += pairs
        names += [column] * len(pairs)
    if not parts:
        raise ConfigError("no monitored column varies, so window and baseline cannot be separated.")
    before, now = (np.column_stack([part[side] for part in parts]) for side in (0, 1))
    return names, before, now


def _comparable(layouts: Mapping[str, Binning], frame: pd.DataFrame) -> dict[str, Binning]:
    return {name: layout for name, layout in layouts.items() if name in frame.columns}


def _numbers(before: pd.Series[Any], now: pd.Series[Any], layout: Binning) -> list[tuple[np.ndarray, np.ndarray]]:
    missing = before.isna().to_numpy(), now.isna().to_numpy()
    if layout.kind == "numeric":
        pairs = [(before.to_numpy(np.float64), now.to_numpy(np.float64))]
    else:
        common = dict.fromkeys([*_most_common(before), *_most_common(now)])
        pairs = [((before == value).to_numpy(np.float64), (now == value).to_numpy(np.float64)) for value in common]
    pairs.append((missing[0].astype(np.float64), missing[1].astype(np.float64)))
    return [pair for pair in pairs if _varies(pair)]


def _most_common(series: pd.Series[Any]) -> list[Any]:
    return series.value_counts().index[:MOST_VALUES].tolist()


def _varies(pair: tuple[np.ndarray, np.ndarray]) -> bool:
    values = np.concatenate(pair)
    finite = values[np.isfinite(values)]
    return len(finite) > 0 and bool(finite.min() < finite.max())


def _by_column(names: list[str], values: np.ndarray) -> dict[str, float]:
    totals = dict.fromkeys(names, 0.0)
    for name, value in zip(names, values.tolist(), strict=True):
        totals[name] += value
    return totals
