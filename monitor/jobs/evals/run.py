"""Run a suite: ask or read, score, judge, compare with the last good run, and store."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

import numpy as np

from monitor.core.clock import Clock
from monitor.core.schedule import Bucket, floor
from monitor.core.suite_run import OVERALL, CaseResult, Run, SuiteUsage, mean
from monitor.core.yamlfile import Problem
from monitor.jobs.evals import compare as comparing
from monitor.jobs.evals import traffic
from monitor.jobs.evals.client import Answer, Client, Failure
from monitor.jobs.evals.incident import SuiteAlerting
from monitor.jobs.evals.score import JUDGE, judge_messages, overall, read_judgement, score
from monitor.jobs.evals.suite import Case, Suite, lines
from monitor.sources.base import Reader
from monitor.store import evaluations, judge_labels
from monitor.store.database import Database
from monitor.store.history import load_history
from monitor.store.plans import save_plan

MOST_INTERVALS = 2
"""Intervals of traffic that are made up for after a pause."""
Progress = Callable[[int], object]
Job = TypeVar("Job")
Done = TypeVar("Done")
NOT_ASKED = Failure("stopped", "not asked any more: too much had failed already to tell anything")


@dataclass
class SuiteSamples:
    """The samples of every case, and what asking for them took."""

    samples: dict[str, list[Answer | Failure]]
    spent: dict[str, SuiteUsage] = field(default_factory=dict)
    judged: int = 0
    unjudged: int = 0
    note: str = ""
    stretch: tuple[datetime, datetime] | None = None


def evaluate(
    suite: Suite,
    database: Database,
    clock: Clock,
    progress: Progress = lambda _done: None,
    alerting: SuiteAlerting | None = None,
) -> Run:
    """Run a suite once, compare it with its last good run, and store what came of it.

    With a ``alerting`` its incident is opened, kept or resolved in the transaction that stores the run.
    """
    started = clock.now()
    samples = SuiteSamples(read_answers(suite)) if suite.endpoint is None else asyncio.run(_ask(suite, progress))
    return _finish(suite, samples, database, clock, started, progress, alerting)


def evaluate_traffic(
    suite: Suite, reader: Reader, every: timedelta, database: Database, clock: Clock, alerting: SuiteAlerting
) -> Run:
    """Evaluate a sample of what a monitor's application answered since the last run, or in the last interval."""
    started = clock.now()
    midnight = started.replace(hour=0, minute=0, second=0, microsecond=0)
    with database.read() as connection:
        before = evaluations.rows(connection, suite.name, most=1)
        spent = evaluations.spent_since(connection, suite.name, midnight)
    settle = alerting.monitor.settle
    since = max(before[0].started_at, started - MOST_INTERVALS * every) if before else started - every
    sampled = traffic.sample(reader, suite, since - settle, started - settle, alerting.monitor)
    kept = traffic.with_budget(suite.model_copy(update={"cases": list(sampled.cases)}), spent)
    samples = SuiteSamples(dict(sampled.answers), stretch=(since - settle, started - settle))
    if suite.judge is not None and kept.judge is None:
        samples.note = "; the judge was not asked: what it may spend today is spent"
    return _finish(kept, samples, database, clock, started, lambda _done: None, alerting)


def _finish(
    suite: Suite,
    samples: SuiteSamples,
    database: Database,
    clock: Clock,
    started: datetime,
    progress: Progress,
    alerting: SuiteAlerting | None,
) -> Run:
    """Score, judge, compare and store what was answered."""
    scored = [_score_case(suite, case, samples.samples[case.id]) for case in suite.cases]
    if suite.judge is not None:
        scored = asyncio.run(_judge(suite, scored, samples, progress))
    with database.read() as connection:
        good = evaluations.last_good(connection, suite.name, suite.compare_with)
    run = conclude(suite, scored, good, samples, started, clock.now())
    with database.write() as connection:
        evaluations.save(connection, run)
        if alerting is not None:
            bucket = Bucket(run.started_at, run.finished_at)
            history = load_history(connection, alerting.suite_monitor, bucket)
            save_plan(connection, alerting.monitor.name, alerting.plan(run, history))
            if samples.stretch is not None and alerting.monitor.judged:
                start = floor(samples.stretch[0], alerting.monitor.bucket)
                judge_labels.keep(connection, alerting.monitor.name, _verdicts(suite, run), start, samples.stretch[1])
    return run


def _verdicts(suite: Suite, run: Run) -> dict[str, float]:
    """Return what the judge said of records that it was asked about, by their id."""
    name = next((one.called for one in suite.expect if one.kind == JUDGE), None)
    scores = {case.id: mean(case.scores[name]) for case in run.cases if name and name in case.scores}
    return {record: score for record, score in scores.items() if not np.isnan(score)}


def requests(suite: Suite) -> int:
    """Return how many answers are asked for, those of the judge included; for the progress bar."""
    calls = len(suite.cases) * suite.repeat if suite.endpoint is not None else 0
    return calls + (len(_cases_to_judge(suite)) * suite.repeat if suite.judge is not None else 0)


def conclude(
    suite: Suite,
    cases: Sequence[CaseResult],
    good: Sequence[tuple[str, bool, Sequence[CaseResult]]],
    samples: SuiteSamples,
    started: datetime,
    finished: datetime,
) -> Run:
    """Compare scored cases with good runs and say what came of it. Pure, but for the name of the run."""
    copies = comparing.are_copies(cases)
    if suite.traffic is not None:
        good = good if "compare_with" in suite.model_fields_set else good[:1]
        past = comparing.pool([good_cases for _, _, good_cases in good])
        comparisons = comparing.compare_traffic(suite, cases, list(past.values()), suite.traffic.fewest)
    else:
        copied = copies or any(one for _, one, _ in good)
        runs = [comparing.as_one(good_cases) if copied else good_cases for _, _, good_cases in good]
        kept = comparing.alike(runs)
        good, past = good[: len(kept)], comparing.pool(kept)
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


def read_answers(suite: Suite) -> dict[str, list[Answer | Failure]]:
    """Read the answers of a file: ``{"id": …, "response": …}`` a line, several lines an id for several samples."""
    samples: dict[str, list[Answer | Failure]] = {case.id: [] for case in suite.cases}
    if suite.answers is None:
        return samples
    for document, data in lines(suite.answers):
        text = data.get("response", data.get("answer"))
        if data.get("id") not in samples:
            raise document.explain([Problem(("id",), f"the suite has no case {data.get('id')!r}.")])
        if not isinstance(text, str):
            raise document.explain([Problem(("response",), "a text is wanted.")])
        samples[data["id"]].append(Answer(text))
    return {case: answers or [Failure("stopped", "the file has no answer")] for case, answers in samples.items()}


async def _ask(suite: Suite, progress: Progress) -> SuiteSamples:
    """Ask every case; stop once so much has failed that nothing could be told any more."""
    if suite.endpoint is None:
        return SuiteSamples({})
    most, failed = suite.max_failed * len(suite.cases) * suite.repeat, 0
    async with Client(suite.endpoint, suite.parameters) as client:

        async def ask(job: tuple[Case, int]) -> Answer | Failure:
            nonlocal failed
            case, sample = job
            outcome = NOT_ASKED if failed > most else await client.ask(case.sent(suite.system), sample)
            failed += isinstance(outcome, Failure)
            progress(1)
            return outcome

        # Sample by sample, so that the end of a budget leaves every case with something.
        jobs = [(case, sample) for sample in range(suite.repeat) for case in suite.cases]
        outcomes = await _each(jobs, ask, suite.endpoint.concurrency)
    samples: dict[str, list[Answer | Failure]] = {case.id: [] for case in suite.cases}
    for (case, _), outcome in zip(jobs, outcomes, strict=True):
        samples[case.id].append(outcome)
    return SuiteSamples(samples, {"endpoint": client.spent})


async def _each(jobs: Sequence[Job], work: Callable[[Job], Awaitable[Done]], workers: int) -> list[Done]:
    """Do every job, so many at a time, and return what came of each in their order."""
    done: dict[int, Done] = {}
    waiting = iter(enumerate(jobs))

    async def worker() -> None:
        for place, job in waiting:
            done[place] = await work(job)

    await asyncio.gather(*(worker() for _ in range(min(workers, len(jobs)))))
    return [done[place] for place in range(len(jobs))]


def _score_case(suite: Suite, case: Case, samples: Sequence[Answer | Failure]) -> CaseResult:
    """Score the samples of one case by everything but a judge."""
    expectations = suite.expectations(case)
    texts = [sample.text if isinstance(sample, Answer) else None for sample in samples]
    scores = score(case, expectations, texts)
    scores[OVERALL] = overall(expectations, scores)
    failures = [sample.reason for sample in samples if isinstance(sample, Failure)]
    return CaseResult(case.id, suite.definition(case), case.tags, scores, failures, texts)


def _cases_to_judge(suite: Suite) -> list[Case]:
    """Return the cases that the judge is shown: those that expect it, and of them the same share in every run."""
    share = int((suite.judge.sample if suite.judge else 0.0) * 2**32)
    wanted = [case for case in suite.cases if any(one.kind == JUDGE for one in suite.expectations(case))]
    return [case for case in wanted if int(hashlib.sha256(case.id.encode()).hexdigest()[:8], 16) < share]


async def _judge(suite: Suite, scored: list[CaseResult], samples: SuiteSamples, progress: Progress) -> list[CaseResult]:
    """Have a judge score the answers of its share of the cases; an answer that it fails on has no score."""
    if suite.judge is None:
        return scored
    judge, of_case = suite.judge, {case.id: case for case in _cases_to_judge(suite)}
    jobs = [
        (place, sample, of_case[result.id], text)
        for place, result in enumerate(scored)
        if result.id in of_case
        for sample, text in enumerate(result.answers)
        if text is not None
    ]
    async with Client(judge.endpoint, judge.parameters) as client:

        async def ask(job: tuple[int, int, Case, str]) -> float | None:
            outcome = await client.ask(judge_messages(judge.rubric, job[2], job[3]))
            progress(1)
            return read_judgement(outcome.text) if isinstance(outcome, Answer) else None

        values = await _each(jobs, ask, judge.endpoint.concurrency)
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
