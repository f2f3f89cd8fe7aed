"""CUSUM of rates: errors, refusals, rare flags, categories and tails that become more or less frequent."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy import special

from detectors.base import NULL_TAIL, Measurement
from detectors.drift.bins import expected_counts
from detectors.sequential import Course, Sequential, State, first_step
from detectors.stack import Counted

UP = (1.5, 2.5, 5.0, 12.0)
DOWN = (1 / 1.5, 1 / 3)
"""Rate ratios of the alternatives. A change by less than about 1.23 never accumulates, however many rows show it;
12 needs about six events in place of one row for a rare alert."""
CATEGORIES = 8
"""Number of most frequent categories with a rate each; the other known ones share one, as do the new ones."""
TAIL = 0.05
MIDDLE = 0.5
RESOLVABLE = 10.0
"""Evidence of an established change, in nats, from which on its end is tested."""
RECOVERY = 6.0
"""Evidence that an established change has ended, in nats, at which its sums are reset."""
RATIOS = np.array(UP + DOWN)
LOGARITHMS = np.log(RATIOS)
SUMS = 4
"""Effective number of independent sums of one event, over all ratios."""
PARTS = 5
AT_ONCE = 256
"""Buckets that are accumulated at once; after the end of a change those behind it are accumulated again."""
DIRECTIONS = {"up": slice(0, len(UP)), "down": slice(len(UP), len(RATIOS))}


class ColumnEvents(NamedTuple):
    """Counts of the events of a column, with one array element per kind of event.

    Parameters
    ----------
    baseline, bucket
        Number of occurrences; those of many buckets over the last axis.
    sign
        1 for an event by which values rise, -1 for one by which they fall, 0 for a category.
    distinct
        0 for an event that duplicates another.
    """

    baseline: np.ndarray
    bucket: np.ndarray
    sign: np.ndarray
    distinct: np.ndarray


def events(baseline: Counted, bucket: Counted) -> ColumnEvents:
    """Return the events of a column: its categories, or values in its upper tail, lower tail and upper half.

    An event that occurs in most rows of the baseline is replaced by its complement.

    Examples
    --------
    >>> from detectors.binning import learn_numeric
    >>> from detectors.profile import Profile
    >>> from detectors.records import Column
    >>> flags = np.repeat([0.0, 1.0], [990, 10])
    >>> old = Profile.of(Column.floats(flags), learn_numeric(flags, 0.0, 1.0))
    >>> result = events(old, old)
    >>> result.baseline.tolist(), result.sign.tolist(), result.distinct.tolist()
    ([10, 0, 10], [1.0, -1.0, 1.0], [1.0, 1.0, 0.0])
    """
    if baseline.layout.kind == "categorical":
        old, new = _category_counts(baseline, bucket)
        sign, distinct = np.zeros(len(old)), np.ones(len(old))
    else:
        old, new, sign, distinct = _tails(baseline, bucket)
    frequent = old > baseline.n / 2
    return ColumnEvents(
        np.where(frequent, baseline.n - old, old),
        np.where(frequent, np.expand_dims(np.asarray(bucket.n), -1) - new, new),
        np.where(frequent, -sign, sign),
        distinct,
    )


def _categories(counts: np.ndarray, unseen: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return the counts of the most frequent categories, of the other known ones, and of new ones."""
    usual = np.where(unseen, 0, counts[..., :-1])
    rest = usual[..., CATEGORIES:]
    parts = [usual[..., :CATEGORIES], *([rest.sum(axis=-1, keepdims=True)] if rest.shape[-1] else []), new]
    return np.concatenate(parts, axis=-1)


def _category_counts(baseline: Counted, bucket: Counted) -> tuple[np.ndarray, np.ndarray]:
    """Return the counts of both samples; as many new categories are expected as were singletons (Good and Turing)."""
    unseen = baseline.counts[:-1] == 0
    once = np.count_nonzero(baseline.counts[:-1] == 1) if baseline.layout.complete else 0
    expected = expected_counts(baseline)[-1:] + once
    new = bucket.counts[..., -1:] + np.where(unseen, bucket.counts[..., :-1], 0).sum(axis=-1, keepdims=True)
    return _categories(baseline.counts, unseen, expected), _categories(bucket.counts, unseen, new)


def _tails(baseline: Counted, bucket: Counted) -> ColumnEvents:
    below = np.cumsum(baseline.counts)[:-1]  # values below each edge
    above = baseline.n - below
    high, low, middle = _edge(above, TAIL), _edge(below, TAIL, last=True), _edge(above, MIDDLE)
    edges = np.array([high, low, middle])
    under = np.cumsum(bucket.counts, axis=-1)[..., edges]
    over = np.expand_dims(np.asarray(bucket.n), -1) - under
    upper = np.array([True, False, True])
    return ColumnEvents(
        np.where(upper, above[edges], below[edges]),
        np.where(upper, over, under),
        np.where(upper, 1.0, -1.0),
        np.array([1.0, 1.0, float(middle not in (high, low))]),
    )


def _edge(mass: np.ndarray, share: float, *, last: bool = False) -> int:
    """Return the edge beyond which about this share of the baseline lies, at most half; the extreme edge if none."""
    total = max(1, int(mass.max()))
    some = np.flatnonzero((mass > 0) & (mass <= total / 2))
    if len(some):
        return int(some[np.abs(np.log(mass[some] / (share * total))).argmin()])
    none = np.flatnonzero(mass == 0)
    return int(none[-1 if last else 0]) if len(none) else 0


def score(baseline: Counted, bucket: Counted) -> np.ndarray:
    """Return the counts of each event in a bucket and in the baseline.

    Returns
    -------
    numpy.ndarray
        float64, shape (..., 5 * events): hits, expected hits, hits and rate of the baseline, and sign of each event.
    """
    counted = events(baseline, bucket)
    usual = counted.baseline + 0.5  # Jeffreys' prior: 0 of 10,000 is not a rate of 0
    rate = usual / (baseline.n + 1)
    expected = np.expand_dims(np.asarray(bucket.n), -1) * rate * counted.distinct
    parts = np.broadcast_arrays(counted.bucket * counted.distinct, expected, usual, rate, counted.sign)
    return np.stack(parts, axis=-1).reshape(*expected.shape[:-1], -1)


def thin(scores: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Reduce hits and expected hits to the counts of as many independent rows as give the same noise."""
    counted = np.arange(scores.shape[-1]) % PARTS < 2  # noqa: PLR2004
    return np.where(counted, scores / np.square(factor)[:, None], scores)


class Sums(NamedTuple):
    """Accumulated sums of each event, shape (events, rate ratios) or (events, directions)."""

    hits: np.ndarray
    expected: np.ndarray
    peak: np.ndarray
    holder: np.ndarray

    @classmethod
    def read(cls, state: State, events: int) -> Sums:
        """Return the sums of a number of events; 0 where the state has none."""
        sizes = zip(cls._fields, (len(RATIOS), len(RATIOS), len(DIRECTIONS), len(DIRECTIONS)), strict=True)
        return cls(*(_read(state, name, events, size) for name, size in sizes))

    def write(self) -> State:
        """Return the sums that are not 0, by event and name."""
        return {
            f"{event}.{name}.{at}": float(part[event, at])
            for event in range(len(self.hits))
            for name, part in self._asdict().items()
            for at in np.flatnonzero(part[event]).tolist()
        }


def _read(state: State, name: str, events: int, size: int) -> np.ndarray:
    """Return the sums of a name, shape (events, size)."""
    if not state:
        return np.zeros((events, size))
    return np.array([[state.get(f"{event}.{name}.{at}", 0.0) for at in range(size)] for event in range(events)])


def fold(scores: np.ndarray, state: State) -> Course:
    """Accumulate hits and expected hits of each event, for each rate ratio."""
    measured = np.isfinite(scores[:, 0])
    table = scores[measured].reshape(int(measured.sum()), scores.shape[1] // PARTS, PARTS)
    evidence, sums = _add_buckets(table, Sums.read(state, table.shape[1]))
    statistic, noise, lean = np.full((3, len(scores)), np.nan)
    counted = (table[..., 1] > 0).sum(axis=1)
    statistic[measured] = _normal_score(evidence.max(axis=(1, 2), initial=0.0), counted)
    noise[measured] = -special.ndtri(NULL_TAIL / 2)
    lean[measured] = _lean(evidence, table[..., -1])
    return Course(statistic, noise, lean, sums.write() if len(table) else state)


def _normal_score(evidence: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Return the two-sided normal score whose probability is Lundberg's bound for the evidence."""
    rarity = np.maximum(0.0, evidence - np.log(SUMS * np.maximum(1, counted)))
    return np.asarray(-special.ndtri_exp(-rarity - math.log(2)))


def _add_buckets(table: np.ndarray, sums: Sums) -> tuple[np.ndarray, Sums]:
    """Accumulate the buckets from change to change; evidence is by bucket, event and direction."""
    evidence = np.zeros((*table.shape[:2], len(DIRECTIONS)))
    begin = 0
    while begin < len(table):
        maxima, sums = _until_over(table[begin : begin + AT_ONCE], sums)
        evidence[begin : begin + len(maxima)] = maxima
        begin += len(maxima)
    return evidence, sums


def _until_over(table: np.ndarray, before: Sums) -> tuple[np.ndarray, Sums]:
    """Accumulate the buckets up to the first end of an established change of any event, or to the last one."""
    places = np.arange(len(table))[:, None]
    walk = _log_likelihood_ratio(before.hits, before.expected) + np.cumsum(
        _log_likelihood_ratio(table[..., :1], table[..., 1:2]), axis=0
    )
    rest = walk <= np.minimum.accumulate(np.minimum(walk, 0.0), axis=0)
    last = np.maximum.accumulate(np.where(rest, places[..., None], -1), axis=0)
    hits, expected = (_since(table[..., at], last, start) for at, start in enumerate((before.hits, before.expected)))
    against = _log_likelihood_ratio(hits, expected)
    evidence, peaks, holders, over = [], [], [], []
    usual, rate = table[..., 2:3], table[..., 3]
    factor = hits * LOGARITHMS - (usual + hits) * np.log((usual + RATIOS * expected) / (usual + expected))
    for number, ratios in enumerate(DIRECTIONS.values()):
        best = against[..., ratios].max(axis=-1)
        peak = np.maximum.accumulate(np.maximum(best, before.peak[:, number]), axis=0)
        at = np.maximum.accumulate(np.where((best >= peak) & (best > 0), places, -1), axis=0)
        leading = np.take_along_axis(against[..., ratios].argmax(axis=-1), np.maximum(at, 0), axis=0)
        holder = np.where(at < 0, before.holder[:, number].astype(int), leading)
        now = np.take_along_axis(against[..., ratios], holder[..., None], axis=-1)[..., 0]
        # The variance of a binomial count is that of a Poisson count times one minus the rate.
        evidence.append(np.maximum(0.0, factor[..., ratios].max(axis=-1)) / (1 - rate))
        over.append((peak >= RESOLVABLE) & (peak - now >= RECOVERY))
        peaks.append(peak)
        holders.append(holder)
    ends = np.flatnonzero(np.any(over, axis=(0, 2)))
    final = int(ends[0]) if len(ends) else len(table) - 1
    maxima = np.stack(evidence, axis=-1)[: final + 1]
    after = Sums(hits[final].copy(), expected[final].copy(), np.zeros(before.peak.shape), np.zeros(before.holder.shape))
    for number, ratios in enumerate(DIRECTIONS.values()):
        ended = over[number][final]
        maxima[final, ended, number] = after.hits[ended, ratios] = after.expected[ended, ratios] = 0.0
        lasting = ~ended & (peaks[number][final] >= RESOLVABLE)
        after.peak[:, number] = np.where(lasting, peaks[number][final], 0.0)
        after.holder[:, number] = np.where(lasting, holders[number][final], 0.0)
    return maxima, after


def _log_likelihood_ratio(hits: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return the log-likelihood ratio of each rate ratio against 1."""
    return np.asarray(hits * LOGARITHMS - expected * (RATIOS - 1))


def _since(counts: np.ndarray, last: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Return the sum since the last reset, or since before the run if there was none."""
    total = np.concatenate([np.zeros((1, counts.shape[1])), np.cumsum(counts, axis=0)])[..., None]
    since = total[1:] - np.take_along_axis(np.broadcast_to(total, (*total.shape[:2], last.shape[2])), last + 1, axis=0)
    return np.asarray(since + np.where(last < 0, before, 0.0))


def _lean(evidence: np.ndarray, sign: np.ndarray) -> np.ndarray:
    """Return the evidence for rising values minus that for falling ones; NaN where both are likely."""
    turned = np.where(sign[..., None] < 0, evidence[..., ::-1], evidence) * np.abs(sign)[..., None]
    rose, fell = np.moveaxis(turned.max(axis=1, initial=0.0), -1, 0)
    return np.where(np.minimum(rose, fell) >= RECOVERY, np.nan, rose - fell)


def measure(baseline: Counted, bucket: Counted) -> Measurement:
    """CUSUM of an event's rate: accumulated evidence that it became more or less frequent, as a normal score.

    For each rate ratio the sums start at the bucket from which on the ratio is most likely (Page). The evidence is the
    logarithm of a Bayes factor: hits are Poisson with the ratio times the baseline's rate, or with that rate, which has
    the gamma posterior of the baseline's hits. So ten hits in the baseline never prove a rate of 1.5 times that. Large
    ratios accumulate evidence within one or two buckets, small ones over hours.

    The largest evidence is converted to the normal score of the same probability by Lundberg's bound for four sums per
    event, as sums of neighbouring ratios are almost equal. When the evidence for an established change has fallen by
    six nats, the change has ended and its sums are reset.

    Limits
    ------
    Rows are assumed to be independent; calibration on the baseline corrects for dependence if the baseline has hits.

    References
    ----------
    Good, *The population frequencies of species and the estimation of population parameters*, Biometrika 40, 1953;
    Page, *Continuous inspection schemes*, Biometrika 41, 1954; Lucas, *Counted data CUSUM's*, Technometrics 27, 1985;
    Reynolds, Stoumbos, *A CUSUM chart for monitoring a proportion when inspecting continuously*, Journal of Quality
    Technology 31, 1999.

    Examples
    --------
    >>> from detectors.binning import learn_numeric
    >>> from detectors.profile import Profile
    >>> from detectors.records import Column
    >>> flags = np.repeat([0.0, 1.0], [9900, 100])
    >>> layout = learn_numeric(flags, 0.0, 1.0)
    >>> old, new = (Profile.of(Column.floats(values), layout) for values in (flags, np.repeat([0.0, 1.0], [95, 5])))
    >>> first = measure(old, new)
    >>> round(first.statistic, 1), first.statistic > first.noise
    (1.4, False)
    >>> course = fold(np.stack([score(old, new)] * 3), {})
    >>> course.statistic.round(1).tolist()
    [1.4, 2.9, 3.9]
    """
    return first_step(DETECTOR, baseline, bucket)


DETECTOR = Sequential(
    name="rate_cusum",
    check="drift",
    measure=measure,
    kinds=frozenset({"numeric", "categorical"}),
    threshold=5.0,
    floor=3.3,
    unit="standard deviations",
    title="accumulated change of a rate",
    citation="Page 1954; Lucas 1985",
    score=score,
    fold=fold,
    thin=thin,
    explained_by=("kolmogorov_smirnov", "jensen_shannon"),
)
