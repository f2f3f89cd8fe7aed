"""Results of experiments and shadows: effects with intervals, verdicts, required sample sizes, agreement."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, get_args

from detectors.experiment.verdict import Word
from monitor.metrics.base import MetricRow, Sample, label_values
from monitor.store.reads import Snapshot

WORDS = tuple(word.replace(" ", "_") for word in get_args(Word))
TREATMENT = ("monitor", "experiment", "treatment")


def _treatments(state: Snapshot) -> Iterator[tuple[tuple[str, str, str], Mapping[str, Any]]]:
    for monitor in state.monitors:
        for row in monitor.compared:
            if row.kind == "experiment":
                summary: Mapping[str, Any] = row.told
                for treatment, one in summary.items():
                    yield (monitor.name, row.name, treatment), one


def _effects(state: Snapshot) -> Iterator[Sample]:
    for place, one in _treatments(state):
        for each in one["metrics"]:
            for bound in ("value", "low", "high"):
                if each["gain"][bound] is not None:
                    yield label_values(*place, each["metric"], bound), float(each["gain"][bound])


def _verdicts(state: Snapshot) -> Iterator[Sample]:
    for place, one in _treatments(state):
        for word in WORDS:
            yield label_values(*place, word), float(one["verdict"].replace(" ", "_") == word)


def _rows(state: Snapshot) -> Iterator[Sample]:
    counted = {
        (monitor, experiment, arm): float(rows)
        for (monitor, experiment, _), one in _treatments(state)
        for arm, rows in one["rows"].items()
    }
    yield from ((label_values(*labels), rows) for labels, rows in counted.items())


def _each(field: str) -> Callable[[Snapshot], Iterable[Sample]]:
    def samples(state: Snapshot) -> Iterator[Sample]:
        for place, one in _treatments(state):
            if one[field] is not None:
                yield label_values(*place), float(one[field])

    return samples


def _shadows(state: Snapshot) -> Iterator[tuple[tuple[str, str], Mapping[str, Any]]]:
    for monitor in state.monitors:
        for row in monitor.compared:
            if row.kind == "shadow" and row.told:
                yield (monitor.name, row.name), row.told


def _agreement(state: Snapshot) -> Iterator[Sample]:
    for place, summary in _shadows(state):
        for bound in ("value", "low", "high"):
            if summary["agreement"][bound] is not None:
                yield label_values(*place, bound), float(summary["agreement"][bound])


def _pair_samples(state: Snapshot) -> Iterator[Sample]:
    for place, summary in _shadows(state):
        for name, each in summary["metrics"].items():
            for bound in ("value", "low", "high"):
                if each["gain"][bound] is not None:
                    yield label_values(*place, name, bound), float(each["gain"][bound])


def _count_samples(state: Snapshot) -> Iterator[Sample]:
    for place, summary in _shadows(state):
        yield label_values(*place, "joined"), float(summary["pairs"])
        yield label_values(*place, "alone"), float(summary["unmatched"])


ROWS: tuple[MetricRow, ...] = (
    MetricRow(
        "driftd_experiment_effect",
        "gauge",
        (*TREATMENT, "metric", "bound"),
        "Relative improvement of a treatment over the control, and the ends of its confidence sequence.",
        _effects,
    ),
    MetricRow(
        "driftd_experiment_verdict",
        "gauge",
        (*TREATMENT, "verdict"),
        "1 for the current verdict of an experiment, 0 for the others.",
        _verdicts,
    ),
    MetricRow(
        "driftd_experiment_rows",
        "gauge",
        ("monitor", "experiment", "arm"),
        "Records of an arm so far.",
        _rows,
    ),
    MetricRow(
        "driftd_experiment_rows_needed",
        "gauge",
        TREATMENT,
        "Records of both arms that an experiment still needs; absent while unknown.",
        _each("rows_needed"),
    ),
    MetricRow(
        "driftd_experiment_split_p_value",
        "gauge",
        TREATMENT,
        "Always-valid p-value of the sample ratio test; below 0.001 results are invalid.",
        _each("split_p_value"),
    ),
    MetricRow(
        "driftd_shadow_agreement_ratio",
        "gauge",
        ("monitor", "shadow", "bound"),
        "Share of requests on which champion and challenger agree, and the ends of its confidence sequence.",
        _agreement,
    ),
    MetricRow(
        "driftd_shadow_effect",
        "gauge",
        ("monitor", "shadow", "metric", "bound"),
        "Relative improvement of a challenger over the champion on the same requests, and its interval.",
        _pair_samples,
    ),
    MetricRow(
        "driftd_shadow_requests",
        "gauge",
        ("monitor", "shadow", "state"),
        "Requests whose two records were paired, and records without a counterpart, by state.",
        _count_samples,
    ),
)
