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
"""Rate ratios that are tested against none. A change by less than about 1.23 never adds up, however many rows prove it;
12 needs about six events in place of one row for a rare alert."""
CATEGORIES = 8
"""The most frequent categories have a rate each; the other known ones share one, as do the new ones."""
TAIL = 0.05
MIDDLE = 0.5
RESOLVABLE = 10.0
"""Evidence, in nats, from which a change counts as established, so that its end is looked for."""
RECOVERY = 6.0
"""Evidence, in nats, that an established change is over: its sums then start anew."""
RATIOS = np.array(UP + DOWN)
LOGARITHMS = np.log(RATIOS)
SUMS = 4
"""Sums of one event that tell something different, of all ratios."""
PARTS = 5
DIRECTIONS = {"up": slice(0, len(UP)), "down": slice(len(UP), len(RATIOS))}


class ColumnEvents(NamedTuple):
    """What is counted of a column, arrays over its kinds of event.

    ``baseline`` and ``bucket`` are how often each happened (of many buckets, over the last axis). ``sign`` is 1 for
    one by which values rise, -1 for one by which they fall, 0 for a category; ``distinct`` is 0 for one that repeats
    another.
    """

    baseline: np.ndarray
    bucket: np.ndarray
    sign: np.ndarray
    distinct: np.ndarray


def events(baseline: Counted, bucket: Counted) -> ColumnEvents:
    """Return the events of a column: its categories, or values in its upper tail, lower tail and upper half.

    What happens in most rows of the baseline stands for its opposite.

    Examples
    --------
    >>> from detectors.binning import learn_numeric
    >>> from detectors.profile import Profile
    >>> from detectors.records import Column
    >>> flags = np.repeat([0.0, 1.0], [990, 10])
    >>> old = Profile.of(Column.floats(flags), learn_numeric(flags, 0.0, 1.0))
    >>> seen = events(old, old)
    >>> seen.baseline.tolist(), seen.sign.tolist(), seen.distinct.tolist()
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
    """Return how often the most frequent categories, the other known ones, and new ones happened."""
    usual = np.where(unseen, 0, counts[..., :-1])
    rest = usual[..., CATEGORIES:]
    parts = [usual[..., :CATEGORIES], *([rest.sum(axis=-1, keepdims=True)] if rest.shape[-1] else []), new]
    return np.concatenate(parts, axis=-1)


def _category_counts(baseline: Counted, bucket: Counted) -> tuple[np.ndarray, np.ndarray]:
    """Return the counts of both sides; as many new categories are to be expected as had one row (Good and Turing)."""
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
    """Return the edge beyond which about this share of the baseline lies, at most half; the extreme one if none is."""
    total = max(1, int(mass.max()))
    some = np.flatnonzero((mass > 0) & (mass <= total / 2))
    if len(some):
        return int(some[np.abs(np.log(mass[some] / (share * total))).argmin()])
    none = np.flatnonzero(mass == 0)
    return int(none[-1 if last else 0]) if len(none) else 0


def score(baseline: Counted, bucket: Counted) -> np.ndarray:
    """Return what a bucket says of each event, and what the baseline knows of it.

    Returns
    -------
    numpy.ndarray
        float64, shape (..., 5 * events): hits, expected hits, hits and rate of the baseline, and sign of each event.
    """
    counted = events(baseline, bucket)
    usual = counted.baseline + 0.5  # of Jeffreys' prior: none of 10,000 is not never
    rate = usual / (baseline.n + 1)
    expected = np.expand_dims(np.asarray(bucket.n), -1) * rate * counted.distinct
    parts = np.broadcast_arrays(counted.bucket * counted.distinct, expected, usual, rate, counted.sign)
    return np.stack(parts, axis=-1).reshape(*expected.shape[:-1], -1)


def thin(scores: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Count hits and expected hits for as many as would be as noisy if rows were independent."""
    counted = np.arange(scores.shape[-1]) % PARTS < 2  # noqa: PLR2004
    return np.where(counted, scores / np.square(factor)[:, None], scores)


class Sums(NamedTuple):
    """What was added up of one event: an entry for each rate ratio, or for each direction."""

    hits: np.ndarray
    expected: np.ndarray
    peak: np.ndarray
    holder: np.ndarray

    @classmethod
    def read(cls, state: State, event: int) -> Sums:
        """Return the sums of an event, which are 0 where nothing is remembered."""
        sizes = zip(cls._fields, (len(RATIOS), len(RATIOS), len(DIRECTIONS), len(DIRECTIONS)), strict=True)
        return cls(*(np.array([state.get(f"{event}.{n}.{at}", 0.0) for at in range(size)]) for n, size in sizes))

    def write(self, event: int) -> State:
        """Return what is not 0, by name."""
        return {
            f"{event}.{name}.{at}": float(part[at])
            for name, part in self._asdict().items()
            for at in np.flatnonzero(part).tolist()
        }


def fold(scores: np.ndarray, state: State) -> Course:
    """Add up the hits and expected hits of each event, for each rate ratio."""
    measured = np.isfinite(scores[:, 0])
    table = scores[measured].reshape(int(measured.sum()), scores.shape[1] // PARTS, PARTS)
    evidence = np.zeros((*table.shape[:2], len(DIRECTIONS)))
    remembered: dict[str, float] = {}
    for event in range(table.shape[1]):
        evidence[:, event], sums = _add_buckets(table[:, event], Sums.read(state, event))
        remembered |= sums.write(event)
    statistic, noise, lean = np.full((3, len(scores)), np.nan)
    counted = (table[..., 1] > 0).sum(axis=1)
    statistic[measured] = _normal_score(evidence.max(axis=(1, 2), initial=0.0), counted)
    noise[measured] = -special.ndtri(NULL_TAIL / 2)
    lean[measured] = _lean(evidence, table[..., -1])
    return Course(statistic, noise, lean, remembered if len(table) else state)


def _normal_score(evidence: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Return the normal score that is as rare, on both sides, as Lundberg's bound says that the evidence is."""
    rarity = np.maximum(0.0, evidence - np.log(SUMS * np.maximum(1, counted)))
    return np.asarray(-special.ndtri_exp(-rarity - math.log(2)))


def _add_buckets(part: np.ndarray, sums: Sums) -> tuple[np.ndarray, Sums]:
    """Add up the buckets of one event, from one end of a change to the next; evidence is by bucket and direction."""
    evidence = np.zeros((len(part), len(DIRECTIONS)))
    begin = 0
    while begin < len(part):
        maxima, sums, length = _until_over(part[begin:], sums)
        evidence[begin : begin + length] = maxima
        begin += length
    return evidence, sums


def _until_over(part: np.ndarray, before: Sums) -> tuple[np.ndarray, Sums, int]:
    """Add up the buckets until an established change is over, or to the end."""
    places = np.arange(len(part))
    walk = _log_likelihood_ratio(before.hits, before.expected) + np.cumsum(
        _log_likelihood_ratio(part[:, :1], part[:, 1:2]), axis=0
    )
    rest = walk <= np.minimum.accumulate(np.minimum(walk, 0.0), axis=0)
    last = np.maximum.accumulate(np.where(rest, places[:, None], -1), axis=0)
    hits, expected = (_since(part[:, at], last, start) for at, start in enumerate((before.hits, before.expected)))
    against = _log_likelihood_ratio(hits, expected)
    evidence, peaks, holders, over = [], [], [], []
    usual, rate = part[:, 2:3], part[:, 3]
    factor = hits * LOGARITHMS - (usual + hits) * np.log((usual + RATIOS * expected) / (usual + expected))
    for number, ratios in enumerate(DIRECTIONS.values()):
        best = against[:, ratios].max(axis=1)
        peak = np.maximum.accumulate(np.maximum(best, before.peak[number]))
        at = np.maximum.accumulate(np.where((best >= peak) & (best > 0), places, -1))
        holder = np.where(at < 0, int(before.holder[number]), against[:, ratios].argmax(axis=1)[at])
        now = against[:, ratios][places, holder]
        # Binomial counts vary less than Poisson ones, by one less the rate.
        evidence.append(np.maximum(0.0, factor[:, ratios].max(axis=1)) / (1 - rate))
        over.append((peak >= RESOLVABLE) & (peak - now >= RECOVERY))
        peaks.append(peak)
        holders.append(holder)
    ends = np.flatnonzero(np.any(over, axis=0))
    final = int(ends[0]) if len(ends) else len(part) - 1
    maxima = np.stack(evidence, axis=-1)[: final + 1]
    after = Sums(hits[final].copy(), expected[final].copy(), *np.zeros((2, len(DIRECTIONS))))
    for number, ratios in enumerate(DIRECTIONS.values()):
        if over[number][final]:
            maxima[final, number] = after.hits[ratios] = after.expected[ratios] = 0.0
        elif peaks[number][final] >= RESOLVABLE:
            after.peak[number], after.holder[number] = peaks[number][final], holders[number][final]
    return maxima, after, final + 1


def _log_likelihood_ratio(hits: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return the log-likelihood ratio of each rate ratio against none."""
    return np.asarray(hits * LOGARITHMS - expected * (RATIOS - 1))


def _since(counts: np.ndarray, last: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Return the sum of what came after the last rest, and before the run where there was none."""
    total = np.append(0.0, np.cumsum(counts))
    return np.asarray(total[1:, None] - total[last + 1] + np.where(last < 0, before, 0.0))


def _lean(evidence: np.ndarray, sign: np.ndarray) -> np.ndarray:
    """Return evidence that values rose less that they fell; NaN where both are likely."""
    turned = np.where(sign[..., None] < 0, evidence[..., ::-1], evidence) * np.abs(sign)[..., None]
    rose, fell = np.moveaxis(turned.max(axis=1, initial=0.0), -1, 0)
    return np.where(np.minimum(rose, fell) >= RECOVERY, np.nan, rose - fell)


def measure(baseline: Counted, bucket: Counted) -> Measurement:
    """Evidence, added up over buckets, that an event became more or less frequent, as a normal score.

    For each ratio the sums go back to the moment from which on it explains the hits best (Page). The evidence is
    the logarithm of a Bayes factor: hits are Poisson with the ratio times the baseline's rate, or with the rate
    itself, which is known as well as the baseline's own hits tell it (a gamma distribution). So ten hits in the
    baseline never prove a rate of 1.5 times that. Evidence for the greater ratios comes within a bucket or two,
    that for the smaller ones over hours.

    The greatest evidence becomes the normal score that is as rare, by Lundberg's bound for four sums of each event:
    those of neighbouring ratios say nearly the same. When evidence for an established change has fallen by six nats,
    the change is over and its sums start anew.

    Limits
    ------
    Rows are taken as independent; where they are not, the calibration knows from the baseline, if that has hits.

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
