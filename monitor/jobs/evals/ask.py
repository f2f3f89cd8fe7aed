"""Get the answers to the cases of a suite, from its endpoint or from a file."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from monitor.core.suite_run import SuiteUsage
from monitor.core.yamlfile import Problem
from monitor.jobs.evals.client import Answer, Client, Failure
from monitor.jobs.evals.suite import Case, Suite, lines

Progress = Callable[[int], object]
Job = TypeVar("Job")
Done = TypeVar("Done")
NOT_ASKED = Failure("stopped", "not sent: too many requests had failed already for a result")


@dataclass
class SuiteSamples:
    """The samples of every case, and the usage of the endpoint."""

    samples: dict[str, list[Answer | Failure]]
    spent: dict[str, SuiteUsage] = field(default_factory=dict)
    judged: int = 0
    unjudged: int = 0
    note: str = ""
    stretch: tuple[datetime, datetime] | None = None


def read_answers(suite: Suite) -> dict[str, list[Answer | Failure]]:
    """Read the answers of a file: ``{"id": …, "response": …}`` per line, and a line per sample of an id."""
    samples: dict[str, list[Answer | Failure]] = {case.id: [] for case in suite.cases}
    if suite.answers is None:
        return samples
    for document, data in lines(suite.answers):
        text = data.get("response", data.get("answer"))
        if data.get("id") not in samples:
            raise document.explain([Problem(("id",), f"the suite has no case {data.get('id')!r}.")])
        if not isinstance(text, str):
            raise document.explain([Problem(("response",), "the response must be a text.")])
        samples[data["id"]].append(Answer(text))
    return {case: answers or [Failure("stopped", "the file has no answer")] for case, answers in samples.items()}


async def ask_cases(suite: Suite, progress: Progress) -> SuiteSamples:
    """Send every case; stop once too many requests have failed for a result."""
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

        # Sample by sample, so that every case has samples when the budget is exhausted.
        jobs = [(case, sample) for sample in range(suite.repeat) for case in suite.cases]
        outcomes = await run_each(jobs, ask, suite.endpoint.concurrency)
    samples: dict[str, list[Answer | Failure]] = {case.id: [] for case in suite.cases}
    for (case, _), outcome in zip(jobs, outcomes, strict=True):
        samples[case.id].append(outcome)
    return SuiteSamples(samples, {"endpoint": client.spent})


async def run_each(jobs: Sequence[Job], work: Callable[[Job], Awaitable[Done]], workers: int) -> list[Done]:
    """Run all jobs with at most ``workers`` at a time, and return their results in order."""
    done: dict[int, Done] = {}
    waiting = iter(enumerate(jobs))

    async def worker() -> None:
        for place, job in waiting:
            done[place] = await work(job)

    await asyncio.gather(*(worker() for _ in range(min(workers, len(jobs)))))
    return [done[place] for place in range(len(jobs))]
