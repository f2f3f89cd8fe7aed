"""Detector, Finding, Status: the contract between measuring and judging.

A detector measures and never decides to alert. It returns a :class:`Measurement`; :func:`assess` puts the
threshold, the sample sizes and the reason beside it, in one place for all detectors.
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
from detectors.profile import Profile

Direction = Literal["better", "worse", "neutral"]
"""What a change means. Only ``worse`` may lead to a rollback or a retraining; ``better`` alerts nobody."""
NULL_TAIL = 1e-3
"""Share of unchanged windows that may lie above a noise floor."""


Values = Any
"""A float of one window; float64 of shape (windows,) when a :class:`~detectors.stack.Stack` was measured."""


class Status(StrEnum):
    """The four answers. Only ``drifted`` speaks against the model."""

    OK = "ok"
    DRIFTED = "drifted"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"


@dataclass(frozen=True)
class Measurement:
    """What a detector saw.

    Parameters
    ----------
    statistic
        The effect, in the detector's unit, growing with the change and independent of the sample size.
    noise
        What the statistic exceeds in one of 1,000 unchanged windows of this size, from its null law; where that law
        is not normal, adapted so that the statistic in units of it is the normal score of the p-value (see
        :func:`noise_from_p_value`), at every size and for every kind of column.
    p_value
        Probability of a statistic at least as large on an unchanged window of independent rows, the baseline being
        known only through its own sample. None for the measures that are held against a fixed target.
    detail
        Evidence for people: a few named numbers, never a record's text.
    """

    statistic: Values
    noise: Values = 0.0
    p_value: Values | None = None
    detail: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Turn numpy's scalars into Python's: the measurement of one window is plain data."""
        for name in ("statistic", "noise", "p_value"):
            object.__setattr__(self, name, _plain(getattr(self, name)))
        object.__setattr__(self, "detail", {name: _plain(value) for name, value in self.detail.items()})


LEAST_SCORE = 0.6745
"""The normal score of a p-value of one half, two-sided: what is more usual than that is not told apart."""
SMALLEST = 1e-300


def noise_from_p_value(statistic: Values, p_value: Values, usual: Values, sides: Literal[1, 2] = 2) -> Values:
    """Return the noise in units of which a statistic is the normal score of its p-value.

    A statistic of any law, normal or not, is then rare at the same multiple of its noise: at 1 with a probability of
    1e-3, at 1.48 with one of 1e-6.

    Parameters
    ----------
    usual
        The 1e-3 point of the statistic's law, for statistics too usual to tell (a p-value above one half).
    sides
        1 where only a rise counts.

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
    """A statistic as a sum over cells, which are runs of neighbouring bins.

    Parameters
    ----------
    starts
        The first bin of each cell.
    terms
        The term of each cell; they sum to the statistic, or to its square.
    """

    starts: np.ndarray
    terms: np.ndarray


@dataclass(frozen=True)
class Detector:
    """A named way to measure one column of a window against its baseline.

    Parameters
    ----------
    name, check
        The method's name, and the check under which its findings stand.
    measure
        Pure function ``(baseline, window) -> Measurement`` over two profiles of one layout. It works over the
        last axis, so that the window may also be a :class:`~detectors.stack.Stack` of many.
    kinds
        Kinds of column that it can measure.
    threshold
        The effect that is worth a person's attention when there is no calibration.
    floor
        The smallest effect that may ever page under a calibrated threshold: below it a difference is too small
        to matter, however many rows prove it.
    counts
        Which rows are its sample: ``usable`` values or all ``rows``.
    about
        ``model`` when a finding speaks of the model's behaviour; ``pipe`` when it speaks of the data's way
        to us, which must never roll back a model.
    unit, title, citation
        For tables, legends and messages.
    cells
        Pure function ``(baseline, window) -> Cells``, of sides that both hold values: which values carry the statistic.
        None where it is no sum over values.
    unusable
        For what counts rows without a usable value: which counts of a profile, and how people call them.
    follows
        Whether the statistic says which way the numbers of a column went: ``either`` way, or only ``up``.
    explained_by
        Methods that explain its findings in its place, the first that can measure the kind of column; for what adds up,
        or is measured elsewhere.
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
    about: Literal["model", "pipe"] = "model"
    cells: Callable[[Profile, Profile], Cells] | None = None
    unusable: tuple[tuple[str, str], ...] = ()
    follows: Literal["up", "either"] | None = None
    explained_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """One statistic of one window, with everything that is needed to believe or doubt it.

    ``p_value`` is that of the calibrated null where there is one, else of the classical test. ``q_value`` is the
    false discovery rate among the findings of its tick: it orders what is shown, and pages nobody.
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
    about: Literal["model", "pipe"] = "model"
    detail: Mapping[str, object] = field(default_factory=dict)
    direction: Direction = "worse"

    @property
    def is_adverse(self) -> bool:
        """Say whether the finding may alert: it drifted, and not for the better."""
        return self.status is Status.DRIFTED and self.direction != "better"

    @property
    def key(self) -> str:
        """Return what stays the same from window to window."""
        return "/".join([self.check, self.column or "", self.method, self.segment or ""])

    @property
    def excess(self) -> float:
        """Return the statistic in units of its threshold; 0 when either is unknown."""
        if self.statistic is None or not self.threshold:
            return math.inf if self.status is Status.DRIFTED else 0.0
        return self.statistic / self.threshold


@dataclass(frozen=True)
class Criterion:
    """When a measurement counts as drift.

    Parameters
    ----------
    threshold
        A fixed threshold of the operator, which wins.
    calibrated
        The null of this statistic and how rare a page must be; the threshold is then what is as rare for a
        window of this size, and at least the detector's effect floor. Without it the detector's own threshold
        is used, raised to the noise floor where the samples are too small to see it.
    min_samples
        Below this many on either side the answer is ``inconclusive``.
    noise_factor
        By how much the window's noise exceeds that of so many independent rows, such as :func:`clusters.inflation`.
    """

    threshold: float | None = None
    calibrated: CalibratedNull | None = None
    min_samples: int = 100
    noise_factor: float = 1.0


DEFAULT_CRITERION = Criterion()


def assess(
    detector: Detector,
    baseline: Profile,
    window: Profile,
    *,
    column: str,
    segment: str | None = None,
    criterion: Criterion = DEFAULT_CRITERION,
) -> Finding:
    """Measure one column and state the result; never raises for what the data hold.

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
    if min(sizes) < needed:
        side, size = ("baseline", sizes[0]) if sizes[0] < needed else ("window", sizes[1])
        what = "usable values" if detector.counts == "usable" else "rows"
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
    """Hold a measurement against the threshold that counts: the operator's, the calibrated, or the default."""
    if calibrated is not None:
        measurement = replace(measurement, p_value=calibrated.p_value(measurement.statistic, measurement.noise))
    return _compare(
        stated, detector, measurement, float(effective_threshold(detector, measurement, threshold, calibrated))
    )


def effective_threshold(
    detector: Detector, measurement: Measurement, threshold: float | None, calibrated: CalibratedNull | None
) -> Values:
    """Return the threshold that counts for a measurement: the operator's, the calibrated, or the default."""
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
    """Write a statistic beside its threshold."""
    return compare_statistic(detector.title, statistic, bound, detector.unit)


def _answer(stated: Finding, status: Status, reason: str, **changes: object) -> Finding:
    return Finding(**{**stated.__dict__, "status": status, "reason": reason, **changes})
