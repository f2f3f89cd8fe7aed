"""Score the cases of a suite by its expectations and by its judge."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from monitor.core.suite_run import OVERALL, CaseResult
from monitor.jobs.evals.ask import Progress, SuiteSamples, run_each
from monitor.jobs.evals.client import Answer, Client, Failure
from monitor.jobs.evals.score import JUDGE, judge_messages, overall, read_judgement, score
from monitor.jobs.evals.suite import Case, Suite


def score_case(suite: Suite, case: Case, samples: Sequence[Answer | Failure]) -> CaseResult:
    """Score the samples of one case by all expectations except the judge."""
    expectations = suite.expectations(case)
    texts = [sample.text if isinstance(sample, Answer) else None for sample in samples]
    scores = score(case, expectations, texts)
    scores[OVERALL] = overall(expectations, scores)
    failures = [sample.reason for sample in samples if isinstance(sample, Failure)]
    return CaseResult(case.id, suite.definition(case), case.tags, scores, failures, texts)


def select_cases_to_judge(suite: Suite) -> list[Case]:
    """Return the cases for the judge: of those that expect it, the same share in every run."""
    share = int((suite.judge.sample if suite.judge else 0.0) * 2**32)
    wanted = [case for case in suite.cases if any(one.kind == JUDGE for one in suite.expectations(case))]
    return [case for case in wanted if int(hashlib.sha256(case.id.encode()).hexdigest()[:8], 16) < share]


async def judge_cases(
    suite: Suite, scored: list[CaseResult], samples: SuiteSamples, progress: Progress
) -> list[CaseResult]:
    """Send the answers of the judge's share of the cases to it; an answer on which it fails has no score."""
    if suite.judge is None:
        return scored
    judge, of_case = suite.judge, {case.id: case for case in select_cases_to_judge(suite)}
    jobs = [
        (place, sample, of_case[result.id], text)
        for place, result in enumerate(scored)
        if result.id in of_case
        for sample, text in enumerate(result.answers)
        if text is not None
    ]
    async with Client(judge.endpoint, judge.parameters) as client:

        async def ask(job: tuple[int, int, Case, str]) -> float | None:
            outcome = await client.ask(judge_messages(judge, job[2], job[3]))
            progress(1)
            return read_judgement(outcome.text) if isinstance(outcome, Answer) else None

        values = await run_each(jobs, ask, judge.endpoint.concurrency)
    samples.spent["judge"] = client.spent
    samples.judged, samples.unjudged = len(jobs), sum(value is None for value in values)
    judged: dict[int, dict[int, float]] = {}
    for (place, sample, _, _), value in zip(jobs, values, strict=True):
        if value is not None:
            judged.setdefault(place, {})[sample] = value
    pairs = zip(suite.cases, scored, strict=True)
    return [_with_judgement(suite, case, result, judged.get(n, {})) for n, (case, result) in enumerate(pairs)]


def _with_judgement(suite: Suite, case: Case, result: CaseResult, judged: Mapping[int, float]) -> CaseResult:
    expectations = suite.expectations(case)
    name = next((one.called for one in expectations if one.kind == JUDGE), None)
    if name is None:
        return result
    values = np.array([judged.get(sample, np.nan) for sample in range(len(result.answers))])
    scores = {**result.scores, name: values}
    return replace(result, scores={**scores, OVERALL: overall(expectations, scores)})
