"""Detector, Measurement, Finding and Status: the interface between measuring and judging.

A detector measures and does not decide. It returns a :class:`Measurement`; :func:`assess` adds the threshold, the
sample sizes and the reason, in the same way for all detectors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy import special

from detectors.amounts import compare_statistic
from detectors.binning import Kind
from detectors.null_distribution import CalibratedNull
from detectors.outcome import count_effective_labels, has_label_weights
from detectors.profile import Profile
from detectors.stack import Counted

Direction = Literal["better", "worse", "neutral"]
About = Literal["model", "inputs", "pipe"]
"""What a finding is about: outputs of the model and its service, its inputs, or the data pipeline."""
"""Meaning of a change. Only ``worse`` may lead to a rollback or a retraining; ``better`` never alerts."""
NULL_TAIL = 1e-3
"""Probability that an unchanged window exceeds the noise floor."""


Values = Any
"""A float for one window; float64 of shape (windows,) for a :class:`~detectors.stack.Stack`."""


class Status(StrEnum):
    """Result of a check. Only ``drifted`` indicates a change."""

    OK = "ok"
    DRIFTED = "drifted"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"


@dataclass(frozen=True)
class Measurement:
    """Statistic of a window with its noise floor and p-value.

    Parameters
    ----------
    statistic
        Effect size in the detector's unit: increases with the change, independent of the sample size.
    noise
        Noise floor: upper 1/1,000 quantile of the statistic for unchanged windows of this size, from its null law.
        Where that law is not normal it is adjusted so that the statistic in units of it is the normal score of the
        p-value (see :func:`noise_from_p_value`), for every sample size and kind of column.
    p_value
        Probability of a statistic at least as large for an unchanged window of independent rows, including the sampling
        error of the baseline. None for measures that are compared with a fixed target.
    detail
        Additional results as named numbers; never the text of a record.
    """

    statistic: Values
    noise: Values = 0.0
    p_value: Values | None = None
    detail: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Convert numpy scalars to Python ones, so that the measurement of one window is plain data."""
        for name in ("statistic", "noise", "p_value"):
            object.__setattr__(self, name, _plain(getattr(self, name)))
        object.__setattr__(self, "detail", {name: _plain(value) for name, value in self.detail.items()})


LEAST_SCORE = 0.6745
"""Two-sided normal score of a p-value of one half; larger p-values are not distinguished."""
SMALLEST = 1e-300


def noise_from_p_value(statistic: Values, p_value: Values, usual: Values, sides: Literal[1, 2] = 2) -> Values:
    """Return the noise floor for which the statistic has the normal score of its p-value.

    Statistics with any null law then have the same probability at the same multiple of the noise floor: 1e-3 at 1, 1e-6
    at 1.48.

    Parameters
    ----------
    usual
        Upper 1e-3 quantile of the statistic's law, used for p-values above one half.
    sides
        1 for one-sided statistics.

    Examples
    --------
    >>> round(float(noise_from_p_value(0.3, 1e-3, 0.2)), 3), float(noise_from_p_value(0.0, 1.0, 0.2))
    (0.3, 0.2)
    """
    score = -special.ndtri(np.clip(p_value, SMALLEST, 1.0) / sides)
    needed = -special.ndtri(NULL_TAIL / sides) * np.asarray(statistic) / np.maximum(score, LEAST_SCORE)
    return np.where(score > LEAST_SCORE, needed, np.maximum(usual, needed))[()]


def _plain(value: Any) -> Any:  # noqa: ANN401
    return value.item() if isinstance(value, np.generic | np.ndarray) and np.ndim(value) == 0 else value


class Cells(NamedTuple):
    """Decomposition of a statistic over cells, which are runs of neighbouring bins.

    Parameters
    ----------
    starts
        First bin of each cell.
    terms
        Term of each cell; their sum is the statistic, or its square.
    """

    starts: np.ndarray
    terms: np.ndarray


@dataclass(frozen=True)
class Detector:
    """Method that compares one column of a window with its baseline.

    Parameters
    ----------
    name, check
        Name of the method, and the check that reports its findings.
    measure
        Pure function ``(baseline, window) -> Measurement`` of two profiles with the same layout. It operates on the
        last axis, so that the window may also be a :class:`~detectors.stack.Stack` of many.
    kinds
        Supported kinds of columns.
    threshold
        Default threshold, used without calibration.
    floor
        Effect floor: smallest effect that may alert under a calibrated threshold, however significant.
    counts
        Rows that count as the sample: ``usable`` values or all ``rows``.
    about
        ``model`` for findings about the model's behaviour; ``pipe`` for findings about the data pipeline, which never
        roll back a model. Findings about an input of the model are ``inputs``, which depends on the column.
    unit, title, citation
        Texts for tables, legends and messages.
    cells
        Pure function ``(baseline, window) -> Cells`` of non-empty samples: the contribution of each value to the
        statistic. None if the statistic is not a sum over values.
    unusable
        For methods that count rows without a usable value: the counts of a profile, and their names in messages.
    follows
        Whether the statistic shows the direction of a numeric change: ``either`` direction, or only ``up``.
    explained_by
        Methods that explain its findings instead, of which the first that supports the kind of column is used; for
        sequential and external statistics.
    """

    name: str
    check: str
    measure: Callable[[Any, Any], Measurement]
    kinds: frozenset[Kind]
    threshold: float
    unit: str
    title: str
    citation: str
    floor: float = 0.0
    counts: Literal["usable", "rows"] = "usable"
    about: About = "model"
    cells: Callable[[Profile, Profile], Cells] | None = None
    unusable: tuple[tuple[str, str], ...] = ()
    follows: Literal["up", "either"] | None = None
    explained_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """Result of a detector for one window, with its evidence.

    ``p_value`` is that of the calibrated null distribution if there is one, else of the classical test. ``q_value`` is
    the false discovery rate among the findings of its bucket, which orders them and does not affect alerts.
    """

    check: str
    column: str | None
    method: str
    segment: str | None
    status: Status
    reason: str
    statistic: float | None = None
    threshold: float | None = None
    p_value: float | None = None
    q_value: float | None = None
    n_baseline: int = 0
    n_window: int = 0
    unit: str = "1"
    about: About = "model"
    detail: Mapping[str, object] = field(default_factory=dict)
    direction: Direction = "worse"

    @property
    def is_adverse(self) -> bool:
        """Return whether the finding may alert: it drifted, and not for the better."""
        return self.status is Status.DRIFTED and self.direction != "better"

    @property
    def key(self) -> str:
        """Return the identity of the finding across windows."""
        return "/".join([self.check, self.column or "", self.method, self.segment or ""])

    @property
    def excess(self) -> float:
        """Return the statistic in units of its threshold; 0 if either is unknown."""
        if self.statistic is None or not self.threshold:
            return math.inf if self.status is Status.DRIFTED else 0.0
        return self.statistic / self.threshold


@dataclass(frozen=True)
class Criterion:
    """Criterion for drift.

    Parameters
    ----------
    threshold
        Fixed threshold set by the user; overrides the others.
    calibrated
        Null distribution of the statistic and the permitted rarity. The threshold is the statistic of that rarity for a
        window of this size, and at least the detector's effect floor. Without it the detector's default threshold is
        used, raised to the noise floor for small samples.
    min_samples
        With fewer rows in either sample the status is ``inconclusive``.
    noise_factor
        Ratio of the window's noise to that of as many independent rows, such as :func:`clusters.inflation`.
    """

    threshold: float | None = None
    calibrated: CalibratedNull | None = None
    min_samples: int = 100
    noise_factor: float = 1.0


DEFAULT_CRITERION = Criterion()


def sample_size(detector: Detector, side: Counted) -> Values:
    """Return the size of a sample for a detector; of labels with weights, their effective number."""
    if detector.counts == "rows":
        return side.rows
    return count_effective_labels(side.counts, side.layout) if has_label_weights(side.layout) else side.n


def assess(
    detector: Detector,
    baseline: Profile,
    window: Profile,
    *,
    column: str,
    segment: str | None = None,
    criterion: Criterion = DEFAULT_CRITERION,
) -> Finding:
    """Measure one column and return the finding; never raises because of the data.

    Examples
    --------
    >>> import numpy as np
    >>> from detectors import DETECTORS
    >>> from detectors.binning import learn_numeric
    >>> from detectors.records import Column
    >>> rng = np.random.default_rng(1)
    >>> old, new = rng.normal(size=5000), rng.normal(0.5, size=1000)
    >>> layout = learn_numeric(old, old.min(), old.max())
    >>> finding = assess(DETECTORS["kolmogorov_smirnov"], Profile.of(Column.floats(old), layout),
    ...                  Profile.of(Column.floats(new), layout), column="score")
    >>> finding.status.value, round(finding.statistic, 2)
    ('drifted', 0.22)
    """
    threshold, noise_factor = criterion.threshold, criterion.noise_factor
    sizes = [p.n if detector.counts == "usable" else p.rows for p in (baseline, window)]
    stated = Finding(
        detector.check,
        column,
        detector.name,
        segment,
        Status.INCONCLUSIVE,
        "",
        None,
        threshold if threshold is not None else detector.threshold,
        None,
        None,
        sizes[0],
        sizes[1],
        detector.unit,
        detector.about,
    )
    needed = max(1, criterion.min_samples)
    if baseline.layout.kind not in detector.kinds:
        return _answer(stated, Status.ERROR, f"{detector.name} cannot measure a {baseline.layout.kind} column")
    samples = [float(sample_size(detector, side)) for side in (baseline, window)]
    if min(samples) < needed:
        place = 0 if samples[0] < needed else 1
        side, size = ("baseline", "window")[place], sizes[place]
        what = "usable values" if detector.counts == "usable" else "rows"
        if size >= needed:
            what = f"labels that are worth {samples[place]:.0f} of equal weight"
        return _answer(stated, Status.INCONCLUSIVE, f"too_few: the {side} has {size} {what}, {needed} needed")
    try:
        measurement = detector.measure(baseline, window)
    except (ArithmeticError, ValueError) as error:
        return _answer(stated, Status.ERROR, f"{detector.name} failed: {error}")
    if not math.isfinite(measurement.statistic):
        return _answer(stated, Status.ERROR, f"{detector.name} gave {measurement.statistic}")
    if noise_factor > 1:
        effective = {"n_effective": round(sizes[1] / noise_factor**2)}
        measurement = replace(
            measurement, noise=measurement.noise * noise_factor, detail={**measurement.detail, **effective}
        )
    return conclude(stated, detector, measurement, threshold, criterion.calibrated)


def conclude(
    stated: Finding,
    detector: Detector,
    measurement: Measurement,
    threshold: float | None,
    calibrated: CalibratedNull | None,
) -> Finding:
    """Compare a measurement with its threshold and return the finding."""
    if calibrated is not None:
        measurement = replace(measurement, p_value=calibrated.p_value(measurement.statistic, measurement.noise))
    return _compare(
        stated, detector, measurement, float(effective_threshold(detector, measurement, threshold, calibrated))
    )


def effective_threshold(
    detector: Detector, measurement: Measurement, threshold: float | None, calibrated: CalibratedNull | None
) -> Values:
    """Return the threshold of a measurement: the user's, the calibrated one, or the default."""
    if threshold is not None:
        return threshold
    if calibrated is not None:
        return np.maximum(detector.floor, calibrated.null.threshold(calibrated.limit, measurement.noise))
    return np.maximum(detector.threshold, measurement.noise)


def _compare(stated: Finding, detector: Detector, measurement: Measurement, bound: float) -> Finding:
    return _answer(
        stated,
        Status.DRIFTED if measurement.statistic >= bound else Status.OK,
        describe_comparison(detector, measurement.statistic, bound),
        statistic=measurement.statistic,
        threshold=bound,
        p_value=measurement.p_value,
        detail=measurement.detail,
    )


def describe_comparison(detector: Detector, statistic: float, bound: float) -> str:
    """Format a statistic with its threshold."""
    return compare_statistic(detector.title, statistic, bound, detector.unit)


def _answer(stated: Finding, status: Status, reason: str, **changes: object) -> Finding:
    return Finding(**{**stated.__dict__, "status": status, "reason": reason, **changes})
