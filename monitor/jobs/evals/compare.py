"""Compare a run with the last good runs and decide whether it is worse. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import NormalDist

import numpy as np

from detectors.performance.paired import PairedComparison, compare_groups, holm, over_cases
from detectors.performance.paired import compare as paired
from monitor.core.suite_run import OVERALL, CaseResult, Comparison, Result, Run, mean
from monitor.jobs.evals.suite import Suite

FEWEST = 5
"""Minimum number of cases of a tag that is compared separately."""
MOST_TAGS = 30
CHANGED = 0.005
"""One-sided significance level at which two good runs count as runs of different models."""
MARGIN = 0.25
"""Drop beyond the accepted one that must be excluded for a run with a lower score to be good."""
POWER = 0.8
"""Power, for a drop of the observed size, of the number of cases in the advice."""

Past = Mapping[tuple[str, str], CaseResult]
"""Cases of the reference runs by id and definition, with pooled samples."""


def as_one(cases: Sequence[CaseResult]) -> list[CaseResult]:
    """Reduce the samples of each case, which are copies of one another, to one observation."""
    return [
        replace(case, scores={name: np.array([mean(scores)]) for name, scores in case.scores.items()}) for case in cases
    ]


def unchanged_runs(runs: Sequence[Sequence[CaseResult]]) -> Sequence[Sequence[CaseResult]]:
    """Return the runs, newest first, back to the first one from which the newest differs significantly.

    Several runs of an unchanged model are a more precise reference than the last one. Runs from before an improvement
    would hide a later regression to the old level.
    """
    unchanged = list(runs[:1])
    for older in runs[1:]:
        before, newest = pool([older]), pool([runs[0]])
        both = [(before[key].scores[OVERALL], newest[key].scores[OVERALL]) for key in newest if key in before]
        scored = [(old[~np.isnan(old)], new[~np.isnan(new)]) for old, new in both]
        fell = over_cases([(old, new) for old, new in scored if len(old) and len(new)])
        if not CHANGED < fell < 1 - CHANGED:
            break
        unchanged.append(older)
    return unchanged


def pool(runs: Sequence[Sequence[CaseResult]]) -> Past:
    """Pool the samples of the same case in several runs."""
    pooled: dict[tuple[str, str], CaseResult] = {}
    for cases in runs:
        for case in cases:
            key = (case.id, case.definition)
            if key in pooled:
                before = pooled[key].scores
                both = {
                    name: np.concatenate([before[name], case.scores[name]]) for name in before if name in case.scores
                }
                pooled[key] = CaseResult(case.id, case.definition, case.tags, both)
            else:
                pooled[key] = case
    return pooled


def compare(suite: Suite, cases: Sequence[CaseResult], past: Past) -> list[Comparison]:
    """Compare the suite as a whole, each expectation and each tag; alpha is split equally between whole and parts."""
    both = [(past[case.id, case.definition], case) for case in cases if (case.id, case.definition) in past]
    if not both:
        return []
    comparisons = []
    for measure, name, tag in _measures(cases):
        sides = [
            (old.scores[name], new.scores[name])
            for old, new in both
            if name in old.scores and name in new.scores and (tag is None or tag in new.tags)
        ]
        before, after = [old for old, _ in sides], [new for _, new in sides]
        one = paired(before, after, suite.max_drop)
        if one.cases and (tag is None or one.cases >= FEWEST):
            comparisons.append((measure, one))
    return _decide(suite, comparisons)


def compare_traffic(
    suite: Suite, cases: Sequence[CaseResult], past: Sequence[CaseResult], fewest: int
) -> list[Comparison]:
    """Compare two independent samples of records of a source, as a whole and by expectation."""
    comparisons = []
    for measure, name, tag in _measures(cases):
        if tag is not None:
            continue
        before, after = (
            np.array([mean(case.scores[name]) for case in side if name in case.scores]) for side in (past, cases)
        )
        if min(np.sum(~np.isnan(before)), np.sum(~np.isnan(after))) >= fewest:
            comparisons.append((measure, compare_groups(before, after, suite.max_drop)))
    return _decide(suite, comparisons)


def _decide(suite: Suite, comparisons: Sequence[tuple[str, PairedComparison]]) -> list[Comparison]:
    """Determine which comparisons are regressions, at the suite's level over all of them."""
    if not comparisons:
        return []
    weights = np.array(
        [len(comparisons) - 1 or 1 if measure == OVERALL else 1 for measure, _ in comparisons], dtype=np.float64
    )
    adjusted = holm(np.array([one.p_value for _, one in comparisons]), weights)
    return [
        Comparison(measure, one, float(p), bool(p <= suite.alpha and one.change < -suite.max_drop))
        for (measure, one), p in zip(comparisons, adjusted, strict=True)
    ]


def _measures(cases: Sequence[CaseResult]) -> Iterator[tuple[str, str, str | None]]:
    """Yield the comparisons: name, scores, tag."""
    yield OVERALL, OVERALL, None
    names = sorted({name for case in cases for name in case.scores} - {OVERALL})
    if len(names) > 1:
        yield from ((f"expect:{name}", name, None) for name in names)
    counted = {tag: sum(tag in case.tags for case in cases) for case in cases for tag in case.tags}
    tags = sorted(counted, key=lambda tag: (-counted[tag], tag))
    yield from ((f"tag:{tag}", OVERALL, tag) for tag in tags[:MOST_TAGS] if FEWEST <= counted[tag] < len(cases))


def conclude(suite: Suite, run: Run, *, judged: int = 0, unjudged: int = 0) -> tuple[Result, str]:
    """Return the result of a run and its reason.

    A run is good if its score did not fall further than accepted, or if the fall is not significant and the 95 %
    interval of the change excludes a drop of :data:`MARGIN` more. Otherwise it is a regression, or inconclusive because
    of too few cases. An inconclusive run, or a first run in which no case passes, is no reference for later runs.

    Parameters
    ----------
    run
        The run with its comparisons; without comparisons if there is no reference.
    judged, unjudged
        Number of answers that were sent to the judge, and of those without a score.
    """
    unanswered = _missing_answers(suite, run)
    if unanswered:
        return "inconclusive", unanswered
    if suite.min_score is not None and run.score < suite.min_score:
        return "below", f"the score is {run.score:.3f}, below the minimum {suite.min_score:g}"
    worse = [one for one in run.comparisons if one.regressed]
    if worse:
        return "regressed", "; ".join(_fall(one) for one in worse)
    if unjudged > suite.max_failed * judged:
        return "inconclusive", f"the judge gave no score for {unjudged} of {judged} answers"
    if not run.comparisons:
        return _conclude_first(run)
    whole = run.comparisons[0].paired
    change = f"{whole.before:.3f} before, {whole.after:.3f} now (95 % interval of the change ±{whole.reach:.3f})"
    if _is_unclear(suite, whole):
        return "inconclusive", f"too few cases to distinguish a drop from noise: {change}; {_advice(suite, whole)}"
    return "good", f"no significant drop on {whole.cases} cases: {change}"


def _missing_answers(suite: Suite, run: Run) -> str:
    """Return why the answers of a run are insufficient, or an empty string."""
    failed = sum(run.failures.values())
    if failed > suite.max_failed * run.samples or math.isnan(run.score):
        why = ", ".join(f"{reason} {count}" for reason, count in run.failures.items()) or "no answer could be scored"
        return f"{failed} of {run.samples} requests have no answer ({why}); this is no evidence about the model"
    scored = sum(not math.isnan(case.score) for case in run.cases)
    if suite.traffic is not None and scored < suite.traffic.fewest:
        return f"only {scored} records have a score, and `traffic: {{fewest: {suite.traffic.fewest}}}` are needed"
    return ""


def _conclude_first(run: Run) -> tuple[Result, str]:
    """Conclude a run without a reference: it becomes the reference unless no case passes."""
    without = f"the score is {run.score:.3f}; there is no earlier good run of these cases to compare with"
    if run.score > 0:
        return "good", without
    return "inconclusive", (
        f"{without}. Check the suite and the model; if no case should pass, run `driftd eval accept {run.id[:8]}`"
    )


def _is_unclear(suite: Suite, whole: PairedComparison) -> bool:
    """Return whether the score fell further than accepted and a relevant drop cannot be excluded."""
    return whole.change < -suite.max_drop and whole.change - whole.reach < -suite.max_drop - MARGIN


def _advice(suite: Suite, whole: PairedComparison) -> str:
    """Return how many cases make a drop of this size significant, or exclude one of MARGIN."""
    normal = NormalDist()
    excess, error = -whole.change - suite.max_drop, whole.reach / normal.inv_cdf(0.975)
    wanted = ((normal.inv_cdf(1 - suite.alpha) + normal.inv_cdf(POWER)) * error / excess) ** 2
    if excess < MARGIN:
        wanted = min(wanted, (whole.reach / (MARGIN - excess)) ** 2)
    cases, repeat = math.ceil(wanted * whole.cases), math.ceil(wanted * suite.repeat)
    if suite.traffic is not None:
        return f"about {cases} records in each run would suffice"
    return f"about {cases} cases instead of {whole.cases} would suffice, or `repeat: {repeat}` if answers vary"


def _fall(one: Comparison) -> str:
    pair = one.paired
    return (
        f"{one.measure} fell from {pair.before:.3f} to {pair.after:.3f} on {pair.cases} cases "
        f"(±{pair.reach:.3f}, p {one.p_adjusted:.2g})"
    )


def fallen(cases: Sequence[CaseResult], past: Past) -> list[tuple[str, float, float]]:
    """Return the cases with a lower score, largest decrease first: id, score before, score now."""
    both = [(case, past[case.id, case.definition]) for case in cases if (case.id, case.definition) in past]
    falls = [(new.id, mean(old.scores[OVERALL]), new.score) for new, old in both]
    falls = [fall for fall in falls if fall[2] < fall[1]]
    return sorted(falls, key=lambda fall: (fall[2] - fall[1], fall[0]))


def are_copies(cases: Sequence[CaseResult]) -> bool:
    """Return whether the samples of every case are identical, due to a deterministic model or a cache."""
    several = [answers for case in cases if len(answers := [a for a in case.answers if a is not None]) > 1]
    return bool(several) and all(len(set(answers)) == 1 for answers in several)
