"""Conclude a run of a suite. Pure, except for the id of the run."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from monitor.core.suite_run import CaseResult, Run
from monitor.jobs.evals import compare as comparing
from monitor.jobs.evals.ask import SuiteSamples
from monitor.jobs.evals.suite import Suite


def conclude(
    suite: Suite,
    cases: Sequence[CaseResult],
    good: Sequence[tuple[str, bool, Sequence[CaseResult]]],
    samples: SuiteSamples,
    started: datetime,
    finished: datetime,
) -> Run:
    """Compare scored cases with good runs and return the run. Pure, except for the id of the run."""
    copies = comparing.are_copies(cases)
    if suite.traffic is not None:
        good = good if "compare_with" in suite.model_fields_set else good[:1]
        past = comparing.pool([good_cases for _, _, good_cases in good])
        comparisons = comparing.compare_traffic(suite, cases, list(past.values()), suite.traffic.fewest)
    else:
        copied = copies or any(one for _, one, _ in good)
        runs = [comparing.as_one(good_cases) if copied else good_cases for _, _, good_cases in good]
        comparable = comparing.unchanged_runs(runs)
        good, past = good[: len(comparable)], comparing.pool(comparable)
        comparisons = comparing.compare(suite, comparing.as_one(cases) if copied else cases, past)
    model = suite.endpoint.model if suite.endpoint else None
    run = Run(
        str(uuid.uuid4()),
        suite.name,
        model,
        started,
        finished,
        cases,
        copies,
        compared_with=[one for one, _, _ in good],
        spent=samples.spent,
        fallen=comparing.fallen(cases, past),
        comparisons=comparisons,
    )
    result, reason = comparing.conclude(suite, run, judged=samples.judged, unjudged=samples.unjudged)
    return replace(run, result=result, reason=reason + samples.note)
