"""Paired permutation test of whether a suite of cases is answered worse than before.

Both runs answer the same cases, several times each if the model is random. Without a change, the answers of a case are
exchangeable between the runs, so the scores of each case are permuted between them, and the drop of the suite's mean is
compared with its permutation distribution. The test makes no assumption about the scores, and accounts for the noise of
*both* runs.

References
----------
Fisher, *The Design of Experiments*, 1935 (the randomisation test); Dwass, *Modified randomization tests for
nonparametric hypotheses*, Annals of Mathematical Statistics 28, 1957, and Phipson, Smyth, *Permutation p-values
should never be zero*, Statistical Applications in Genetics and Molecular Biology 9, 2010 (why random permutations, with
one added, preserve the level exactly); Box, *Sampling and Bayes' inference in scientific modelling and robustness*,
Journal of the Royal Statistical Society A 143, 1980 (predictive p-values, for a fall of every case); Holm, *A simple
sequentially rejective multiple test procedure*, Scandinavian Journal of Statistics 6, 1979 (also with weights).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

DRAWS = 9999
LARGEST = 2_000_000
"""Random numbers per block, which limits memory."""
ROUNDING = 1e-9
LENIENT = 5
"""With more samples from before, a drop at 0.01 within cases must also be one at 0.05 over cases."""
PASS_RATES = (np.arange(1000) + 0.5) / 1000
"""Grid of pass rates of a case, with a uniform prior."""


@dataclass(frozen=True)
class PairedComparison:
    """Comparison of one run with another on the cases that both answered.

    Parameters
    ----------
    cases
        Number of cases that both runs scored.
    before, after
        Mean score of those cases, with equal weights.
    change
        ``after - before``, in points of the score; negative is a drop.
    reach
        Half-width of the 95 % interval of the change, from the permutation distribution.
    p_value
        Probability of a drop this large if the true drop is at most ``max_drop``; NaN without cases.
    """

    cases: int
    before: float
    after: float
    change: float
    reach: float
    p_value: float


def compare(
    before: Sequence[np.ndarray],
    after: Sequence[np.ndarray],
    max_drop: float = 0.0,
    *,
    copies: bool = False,
    draws: int = DRAWS,
    seed: int = 0,
) -> PairedComparison:
    """Test whether the mean score over cases fell by more than ``max_drop``; one-sided.

    Parameters
    ----------
    before, after
        Scores of each case in the two runs, in the same order of cases: float64 of shape (samples,), in points. NaN is
        a sample that could not be scored; a case without a score in either run is left out.
    max_drop
        Accepted drop, in points; with 0 any drop is rejected if significant.
    copies
        True if the samples of a case are copies of one another (a deterministic model, a cache): they then count as one
        observation, and only whole cases are permuted.
    draws, seed
        Number of permutations, and the seed; results are reproducible.

    Limits
    ------
    Exact if nothing changed. If single cases rose and fell but their mean did not, the level is valid for equal numbers
    of samples, as the pooled spread of a case is at least that within the runs. With more samples from before (several
    good runs), consistent cases that exchange their scores would not count as noise: the p-value is then at least a
    fifth of Student's over the cases' changes. With ``max_drop`` above 0 the permutation distribution is shifted by it,
    which is valid for large suites for the same reason. The result applies to these cases, not to a population of
    cases. With one sample per case, a change of fewer than 5 cases is never significant at 0.05 (7 at 0.01): run each
    case at least three times. The one exception is a fall of every case, for which :func:`total_fall` gives the p-value
    if it is smaller. No smaller drop of so few cases is significant, so the two tests together do not exceed their
    level.

    Examples
    --------
    >>> before, after = [np.ones(3)] * 20, [np.ones(3)] * 17 + [np.zeros(3)] * 3
    >>> result = compare(before, after)
    >>> round(result.change, 3), result.p_value < 0.01
    (-0.15, True)
    >>> compare(before, after, copies=True).p_value > 0.1
    True
    >>> compare(before, after, max_drop=0.2).p_value > 0.5
    True
    """
    pairs = [(_drop_missing(old), _drop_missing(new)) for old, new in zip(before, after, strict=True)]
    pairs = [(old, new) for old, new in pairs if len(old) and len(new)]
    if not pairs:
        return PairedComparison(0, np.nan, np.nan, np.nan, np.nan, np.nan)
    if copies:
        pairs = [(old.mean(keepdims=True), new.mean(keepdims=True)) for old, new in pairs]
    means = np.array([(old.mean(), new.mean()) for old, new in pairs]).mean(axis=0)
    change = float(means[1] - means[0])
    shuffled = _shuffle_sums(pairs, draws, np.random.default_rng(seed)) / len(pairs)
    as_low = int(np.sum(shuffled <= change + max_drop + ROUNDING))
    reach = 1.96 * float(np.sqrt(np.mean(np.square(shuffled))))
    p_value = (1 + as_low) / (1 + draws)
    if any(len(old) > len(new) for old, new in pairs):
        p_value = max(p_value, over_cases(pairs, max_drop) / LENIENT)
    p_value = min(p_value, total_fall(pairs, max_drop))
    return PairedComparison(len(pairs), float(means[0]), float(means[1]), change, reach, p_value)


def compare_groups(
    before: np.ndarray, after: np.ndarray, max_drop: float = 0.0, *, draws: int = DRAWS, seed: int = 0
) -> PairedComparison:
    """Test whether the mean score of other records fell by more than ``max_drop``; one-sided.

    Two samples of traffic have no common cases, so whole records are permuted between them.

    Parameters
    ----------
    before, after
        Scores of the records, float64 of shape (records,), in points; NaN is left out.
    max_drop, draws, seed
        As for :func:`compare`.

    Limits
    ------
    Exact if both samples are drawn from the same population. Does not distinguish a worse model from harder questions.

    References
    ----------
    Pitman, *Significance tests which may be applied to samples from any populations*, JRSS Supplement 4, 1937.

    Examples
    --------
    >>> result = compare_groups(np.tile([1.0, 1, 1, 0], 25), np.tile([1.0, 0, 1, 0], 25))
    >>> round(result.change, 2), result.p_value < 0.01
    (-0.25, True)
    """
    old, new = _drop_missing(before), _drop_missing(after)
    if not len(old) or not len(new):
        return PairedComparison(0, np.nan, np.nan, np.nan, np.nan, np.nan)
    change = float(new.mean() - old.mean())
    pooled = np.concatenate([old, new + max_drop])
    chance, shuffled = np.random.default_rng(seed), np.empty(draws)
    step = max(1, LARGEST // len(pooled))
    for start in range(0, draws, step):
        stop = min(start + step, draws)
        chosen = pooled[chance.random((stop - start, len(pooled))).argsort(axis=1)[:, : len(new)]].sum(axis=1)
        shuffled[start:stop] = chosen / len(new) - (pooled.sum() - chosen) / len(old)
    as_low = int(np.sum(shuffled <= change + max_drop + ROUNDING))
    reach = 1.96 * float(np.sqrt(np.mean(np.square(shuffled))))
    return PairedComparison(len(new), float(old.mean()), float(new.mean()), change, reach, (1 + as_low) / (1 + draws))


def over_cases(pairs: Sequence[tuple[np.ndarray, np.ndarray]], max_drop: float = 0.0) -> float:
    """Return Student's one-sided p-value of a drop over cases, for which opposite changes count as noise.

    Examples
    --------
    >>> over_cases([(np.ones(2), np.zeros(2)), (np.ones(2), np.ones(2)), (np.zeros(2), np.ones(2))])
    0.5
    """
    changes = np.array([new.mean() - old.mean() for old, new in pairs]) + max_drop
    if len(changes) < 2 or np.ptp(changes) < ROUNDING:  # noqa: PLR2004  no variance
        return 0.5 if not len(changes) or abs(changes.mean()) < ROUNDING else float(changes.mean() > 0)
    error = float(changes.std(ddof=1)) / math.sqrt(len(changes))
    return float(special.stdtr(len(changes) - 1, changes.mean() / error))


def total_fall(pairs: Sequence[tuple[np.ndarray, np.ndarray]], max_drop: float = 0.0) -> float:
    """Return the probability that every sample of every case scores 1 before and 0 now, without too large a fall.

    It is 1 for other scores. A permutation test does not use that such a case is rare: a case that always passes never
    fails, and one that passes half of the time has equal pairs of samples half of the time.

    Parameters
    ----------
    pairs
        Scores of each case before and now, without NaN.
    max_drop
        Accepted drop of a pass rate.

    Limits
    ------
    The probability is averaged over a uniform prior of pass rates from 0 to 1, independently for each case. It is 1/6
    for a case with one sample in each run, so that three such cases are significant at 0.01 and two are not. An
    unchanged model all of whose cases pass half of the time reaches 1/4 per case, which is 0.016 for three cases.

    Examples
    --------
    >>> fell = (np.ones(1), np.zeros(1))
    >>> [round(total_fall([fell] * cases), 4) for cases in (1, 2, 3)]
    [0.1667, 0.0278, 0.0046]
    >>> total_fall([fell, fell, (np.ones(1), np.ones(1))])
    1.0
    """
    if not all(np.all(old == 1) and np.all(new == 0) for old, new in pairs):
        return 1.0
    fails = np.minimum(1.0, 1.0 - PASS_RATES + max_drop)
    return float(np.prod([np.mean(PASS_RATES ** len(old) * fails ** len(new)) for old, new in pairs]))


def _drop_missing(scores: np.ndarray) -> np.ndarray:
    values = np.asarray(scores, dtype=np.float64)
    return values[~np.isnan(values)]


def _shuffle_sums(
    pairs: Sequence[tuple[np.ndarray, np.ndarray]], draws: int, chance: np.random.Generator
) -> np.ndarray:
    """Return the sums over cases of the changes under random permutations, shape (draws,)."""
    total = np.zeros(draws)
    sizes = sorted({(len(old), len(new)) for old, new in pairs})
    for n_old, n_new in sizes:
        pooled = np.array([np.concatenate(pair) for pair in pairs if (len(pair[0]), len(pair[1])) == (n_old, n_new)])
        pooled = pooled[np.ptp(pooled, axis=1) > 0]  # permuting equal scores changes nothing
        if not len(pooled):
            continue
        step = max(1, LARGEST // pooled.size)
        for start in range(0, draws, step):
            stop = min(start + step, draws)
            order = chance.random((stop - start, *pooled.shape)).argsort(axis=-1)[..., :n_new]
            drawn = np.take_along_axis(pooled[None], order, axis=-1).sum(axis=-1)
            rest = pooled.sum(axis=1) - drawn
            total[start:stop] += (drawn / n_new - rest / n_old).sum(axis=-1)
    return total


def holm(p_values: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Return p-values adjusted for multiple testing (Holm), which control the family-wise error rate.

    Parameters
    ----------
    p_values
        float64, shape (n,); NaN where nothing was tested, which is returned as NaN and not counted.
    weights
        Share of the level of each, shape (n,), positive; by default equal.

    Limits
    ------
    Valid for any dependence, and therefore less powerful for positively dependent tests.

    Examples
    --------
    >>> holm(np.array([0.01, 0.04, np.nan])).tolist()
    [0.02, 0.04, nan]
    >>> holm(np.array([0.01, 0.04]), np.array([3.0, 1.0])).round(4).tolist()
    [0.0133, 0.04]
    """
    adjusted = np.full(len(p_values), np.nan)
    shares = np.ones(len(p_values)) if weights is None else np.asarray(weights, dtype=np.float64)
    tested = np.flatnonzero(~np.isnan(p_values))
    order = tested[np.argsort(p_values[tested] / shares[tested], kind="stable")]
    left, highest = float(shares[tested].sum()), 0.0
    for place in order:
        highest = max(highest, min(1.0, float(p_values[place]) * left / float(shares[place])))
        adjusted[place] = highest
        left -= float(shares[place])
    return adjusted
