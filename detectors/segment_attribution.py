"""Attribute a difference to segments.

The contribution of a segment is the decrease of the statistic when its rows are removed from both samples. A change of
the mix of segments is distinguished from changes within them: by Simpson's paradox the total may drift while no segment
does.

References
----------
Bhagwan et al., *Adtributor: revenue debugging in advertising systems*, NSDI 2014 (explanatory power and surprise);
Kitagawa, *Components of a difference between two rates*, Journal of the American Statistical Association 50, 1955
(mix and within).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

from detectors.base import NULL_TAIL, Detector
from detectors.exact import ExactSum
from detectors.profile import Profile

ALL, MOST, SOME = 0.9, 0.5, 0.1
"""Smallest contributions, as shares of the statistic, for ``only``, ``mostly`` and ``partly``."""
LEFT = 0.1
"""Smallest share of the window outside a new segment that can be compared."""
FEWEST_ROWS = 10
"""Fewest rows of a contributing segment, whatever its share of the statistic."""

How = Literal["only", "mix", "mostly", "all", "partly"]
HOWS: tuple[How, ...] = ("only", "mix", "mostly", "all", "partly")
"""Kinds of contributions, the most informative first."""


@dataclass(frozen=True)
class SegmentContribution:
    """Contribution of a segment to a statistic.

    Parameters
    ----------
    how
        ``only`` (at least 90 %), ``mostly`` (50 %), ``partly`` (10 %); ``mix``: its share of the rows changed; ``all``:
        every segment shows the difference, and ``segment`` is the name of the column.
    carries, of
        Decrease of the statistic without the segment (or without the change of the mix), and the statistic.
    share, baseline_share
        Share of the window's and of the baseline's rows.
    new
        Whether the baseline has no rows of it.
    """

    segment: str
    how: How
    carries: float
    of: float
    share: float
    baseline_share: float
    new: bool = False

    @property
    def surprise(self) -> float:
        """Return the change of its share of the rows as a term of the Jensen-Shannon divergence, in bits."""
        p, q = self.baseline_share, self.share
        return float((special.rel_entr(p, (p + q) / 2) + special.rel_entr(q, (p + q) / 2)) / 2 / np.log(2))


Sides = Mapping[str, tuple[Profile | None, Profile | None]]
"""Baseline and window of each segment; None if it has no rows."""


def find_contributing_segments(
    detector: Detector, baseline: Profile, window: Profile, parts: Sides, fewest: int = 100
) -> tuple[SegmentContribution, ...]:
    """Return the values of one segment column that contribute to a statistic of all rows, the most informative first.

    Each segment is removed from both samples and the statistic computed again; the decrease is its contribution. Before
    that the baseline's segments are reweighted to the proportions of the window: if this removes half of the statistic,
    the mix has changed and not the segments.

    Parameters
    ----------
    parts
        Segments of one column, ``column=value``. Rows outside of them form another segment.
    fewest
        Samples with fewer usable values (or rows, for detectors of rows) are not measured.

    Limits
    ------
    Segments are removed one at a time: of two with equal contributions each is ``mostly``, at best. The remaining
    sample is smaller, so its statistic has more noise; a remainder of less than half that is below its noise floor
    counts as 0. A segment of fewer than ten rows, or whose own difference does not exceed its noise, does not
    contribute.

    Examples
    --------
    >>> import numpy as np
    >>> from detectors import DETECTORS
    >>> from detectors.binning import learn_numeric
    >>> from detectors.records import Column
    >>> rng = np.random.default_rng(0)
    >>> old, same, moved = rng.normal(size=9000), rng.normal(size=2000), rng.normal(1.0, size=1000)
    >>> layout = learn_numeric(old, old.min(), old.max())
    >>> old, same, moved = (Profile.of(Column.floats(x), layout) for x in (old, same, moved))
    >>> parts = {"model=big": (old, same), "model=small": (None, moved)}
    >>> first = find_contributing_segments(DETECTORS["kolmogorov_smirnov"], old, same + moved, parts)[0]
    >>> first.segment, first.how, first.new
    ('model=small', 'only', True)
    """
    segments = {name: tuple(side or Profile.empty(baseline.layout) for side in sides) for name, sides in parts.items()}
    statistic = float(detector.measure(baseline, window).statistic)
    if not segments or not statistic > 0 or not np.isfinite(statistic):
        return ()
    stand = {
        name: (new.rows / max(1, window.rows), old.rows / max(1, baseline.rows), old.rows == 0)
        for name, (old, new) in segments.items()
    }
    mixed = _mix(detector, baseline, window, segments, fewest)
    if mixed is not None and min(mixed) >= MOST * statistic:
        most = max(stand, key=lambda name: abs(stand[name][0] - stand[name][1]))
        if not _share_has_moved(segments[most], baseline, window):
            return ()
        return (SegmentContribution(most, "mix", min(mixed[0], statistic), statistic, *stand[most]),)
    contributions = []
    for name, (old, new) in segments.items():
        if not _differs(detector, old if _size(detector, old) >= fewest else baseline, new):
            continue
        falls, settled = _without(detector, baseline, window, old, new, statistic, fewest)
        how: How = "only" if falls >= ALL * statistic or settled else "mostly"
        how = how if falls >= MOST * statistic else "partly"
        if falls >= SOME * statistic:
            contributions.append(SegmentContribution(name, how, min(falls, statistic), statistic, *stand[name]))
    if not any(carrier.how != "partly" for carrier in contributions) and _all(detector, segments, statistic, fewest):
        column = next(iter(segments)).partition("=")[0]
        contributions.insert(0, SegmentContribution(column, "all", statistic, statistic, 1.0, 1.0))
    return rank(contributions)


def rank(carriers: Sequence[SegmentContribution]) -> tuple[SegmentContribution, ...]:
    """Order contributions, also of several columns, by size and then by surprise."""
    return tuple(
        sorted(
            carriers,
            key=lambda c: (HOWS.index(c.how), -round(10 * c.carries / c.of), -c.surprise, -c.carries, c.segment),
        )
    )


def without(side: Profile, part: Profile) -> Profile:
    """Remove the rows of a part from a profile. The extremes are unchanged, as their segment is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from detectors.binning import learn_numeric
    >>> from detectors.records import Column
    >>> x = np.arange(10.0)
    >>> layout = learn_numeric(x, 0.0, 9.0)
    >>> left = without(Profile.of(Column.floats(x), layout), Profile.of(Column.floats(x[:4]), layout))
    >>> left.n, left.mean
    (6, 6.5)
    """
    return Profile(
        side.layout,
        np.maximum(0, side.counts - part.counts),
        max(0, side.missing - part.missing),
        max(0, side.nonfinite - part.nonfinite),
        max(0, side.mistyped - part.mistyped),
        side.total + ExactSum(-part.total.mantissa, part.total.exponent),
        side.squares + ExactSum(-part.squares.mantissa, part.squares.exponent),
        side.minimum,
        side.maximum,
    )


def _size(detector: Detector, side: Profile) -> int:
    return min(side.n, side.rows) if detector.counts == "usable" else side.rows


def _differs(detector: Detector, old: Profile, new: Profile) -> bool:
    """Return whether a segment differs from its baseline by more than the noise floor."""
    if _size(detector, new) < FEWEST_ROWS:
        return False
    measurement = detector.measure(old, new)
    return bool(measurement.statistic > measurement.noise)


def _share_has_moved(segment: tuple[Profile, ...], baseline: Profile, window: Profile) -> bool:
    """Return whether a segment's share of the rows changed by more than its upper 1/1,000 quantile."""
    old, new = (side.rows for side in segment)
    rows = baseline.rows + window.rows
    pooled = (old + new) / rows
    spread = np.sqrt(pooled * (1 - pooled) * (1 / baseline.rows + 1 / window.rows))
    moved = abs(new / window.rows - old / baseline.rows)
    return bool(max(old, new) >= FEWEST_ROWS and moved > -special.ndtri(NULL_TAIL / 2) * spread)


def _without(
    detector: Detector, baseline: Profile, window: Profile, old: Profile, new: Profile, statistic: float, fewest: int
) -> tuple[float, bool]:
    """Return the decrease of the statistic without a segment, and whether the rest is noise."""
    rest_old, rest_new = without(baseline, old), without(window, new)
    if min(_size(detector, rest_old), _size(detector, rest_new)) >= max(1, fewest):
        measurement = detector.measure(rest_old, rest_new)
        return statistic - float(measurement.statistic), bool(measurement.statistic <= measurement.noise)
    alone = old.rows == 0 and rest_new.rows <= LEFT * window.rows
    return (statistic, True) if alone else (0.0, False)


def _mix(
    detector: Detector,
    baseline: Profile,
    window: Profile,
    segments: Mapping[str, tuple[Profile, ...]],
    fewest: int,
) -> tuple[float, float] | None:
    """Return the decrease of the statistic for a baseline with the window's mix, and the statistic of the mix alone.

    A segment with hardly any baseline rows is represented by the whole baseline, as its difference is not one of the
    mix.
    """
    rest_old, rest_new = baseline, window
    for old, new in segments.values():
        rest_old, rest_new = without(rest_old, old), without(rest_new, new)
    mixed = np.zeros(len(baseline.counts) + 3)
    for old, new in (*segments.values(), (rest_old, rest_new)):
        stands_for = old if old.rows >= max(1, fewest) else baseline
        mixed += _table(stands_for) / max(1, stands_for.rows) * new.rows
    scaled = np.rint(mixed * baseline.rows / max(1, window.rows)).astype(np.int64)
    remade = Profile(baseline.layout, scaled[:-3], int(scaled[-3]), int(scaled[-2]), int(scaled[-1]))
    if min(_size(detector, side) for side in (baseline, window, remade)) < max(1, fewest):
        return None
    moved = float(detector.measure(baseline, remade).statistic)
    whole_of_it = float(detector.measure(baseline, window).statistic)
    return whole_of_it - float(detector.measure(remade, window).statistic), moved


def _table(side: Profile) -> np.ndarray:
    return np.append(side.counts, [side.missing, side.nonfinite, side.mistyped]).astype(np.float64)


def _all(detector: Detector, segments: Mapping[str, tuple[Profile, ...]], statistic: float, fewest: int) -> bool:
    """Return whether every measurable segment shows at least half of the statistic."""
    sides = [pair for pair in segments.values() if min(_size(detector, side) for side in pair) >= max(1, fewest)]
    return len(sides) > 1 and all(detector.measure(old, new).statistic >= MOST * statistic for old, new in sides)
