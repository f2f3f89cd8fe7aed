"""Sample the answers of an application as the cases of a suite, and compute the remaining daily budget of its judge."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from detectors.binning import category
from detectors.records import Records
from monitor.config.models import Monitor
from monitor.jobs.evals.client import Answer, Failure
from monitor.jobs.evals.suite import Budget, Case, Daily, Suite
from monitor.sources.base import Reader
from monitor.sources.protection import Protection
from monitor.sources.traffic_roles import keep_monitored, role_columns
from monitor.store.judge_labels import LONGEST_ID

COLUMNS = ("id", "question", "context", "response")
PER = 1_000_000


class NoTraffic(Exception):  # noqa: N818
    """The monitor does not log the columns that a sample of its traffic needs."""


@dataclass(frozen=True)
class SampledTraffic:
    """Records of a time range, as cases with their answers."""

    cases: Sequence[Case]
    answers: Mapping[str, list[Answer | Failure]]
    row_count: int


def sampling_place(suite: str, record: str) -> float:
    """Return a hash of a record in [0, 1); records below the share are in the sample, in every process.

    Examples
    --------
    >>> place = sampling_place("live", "a")
    >>> place == sampling_place("live", "a"), place == sampling_place("other", "a")
    (True, False)
    """
    return int(hashlib.sha256(f"{suite}/{record}".encode()).hexdigest()[:12], 16) / 16**12


def sample(
    reader: Reader, suite: Suite, start: datetime, end: datetime, monitor: Monitor | None = None
) -> SampledTraffic:
    """Read a range and sample its share, up to the maximum; with a monitor, only served traffic.

    Only the sampled records are held in memory.

    Raises
    ------
    NoTraffic
        When the monitor maps no ``id`` or no ``response``.
    """
    traffic, schema = suite.traffic, reader.schema()
    if traffic is None or "id" not in schema or "response" not in schema:
        raise NoTraffic("a sample of traffic needs the columns `id` and `response`; map them in `source.columns`.")
    sampled: list[tuple[float, str, tuple[Any, ...]]] = []
    rows = 0
    columns = [*COLUMNS, *(role_columns(monitor, schema) if monitor else ())]
    for page in reader.read(start, end, [name for name in dict.fromkeys(columns) if name in schema]):
        for record, values in _records(keep_monitored(page, monitor) if monitor else page):
            rows += 1
            place = -sampling_place(suite.name, record)
            if -place < traffic.share and all(record != other for _, other, _ in sampled):
                (heapq.heappush if len(sampled) < traffic.most else heapq.heappushpop)(sampled, (place, record, values))
    protection = Protection.of(monitor) if monitor else None
    cases: list[Case] = []
    answers: dict[str, list[Answer | Failure]] = {}
    for _, record, (question, context, response) in sorted(sampled, reverse=True):
        stored = protection.replace("id", record) if protection else record
        cases.append(Case(id=stored, prompt=question or "", context=context))
        answers[stored] = [Answer(response)]
    return SampledTraffic(cases, answers, rows)


def _records(page: Records) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield the id and the texts of each record that has an answer."""
    ids, response = page["id"], page["response"]
    for row in range(len(ids)):
        if not ids.missing[row] and not response.missing[row]:
            texts = [_text(page, name, row) for name in COLUMNS[1:]]
            yield category(ids.values[row])[:LONGEST_ID], tuple(texts)


def _text(page: Records, name: str, row: int) -> str | None:
    column = page.get(name)
    return None if column is None or column.missing[row] else str(column.values[row])


def left(daily: Daily, spent: Sequence[Mapping[str, Any]]) -> Budget | None:
    """Return the remaining budget of a judge for today, or None if it is exhausted.

    Examples
    --------
    >>> left(Daily(requests=10), [{"requests": 4, "prompt_tokens": 100, "completion_tokens": 20}]).requests
    6
    >>> left(Daily(cost=1.0, input_price=10.0, output_price=20.0), [{"requests": 1, "prompt_tokens": 100_000}]) is None
    True
    """
    sent = sum(int(one.get("prompt_tokens", 0)) for one in spent)
    back = sum(int(one.get("completion_tokens", 0)) for one in spent)
    limits: dict[str, int] = {}
    if daily.requests is not None:
        limits["requests"] = daily.requests - sum(int(one.get("requests", 0)) for one in spent)
    if daily.tokens is not None:
        limits["tokens"] = daily.tokens - sent - back
    if daily.cost is not None:
        money = daily.cost - (sent * daily.input_price + back * daily.output_price) / PER
        dearest = max(daily.input_price, daily.output_price)
        limits["tokens"] = min(int(money * PER / dearest), limits.get("tokens", 10**15))
    return Budget(**limits) if all(limit >= 1 for limit in limits.values()) else None


def with_budget(suite: Suite, spent: Sequence[Mapping[str, Any]]) -> Suite:
    """Return the suite with the remaining daily budget of its judge, or without a judge if it is exhausted."""
    if suite.judge is None or suite.traffic is None or suite.traffic.daily is None:
        return suite
    budget, own = left(suite.traffic.daily, spent), suite.judge.endpoint.budget
    if budget is None:
        return suite.model_copy(update={"judge": None})
    tighter = {
        name: min((limit for limit in (getattr(budget, name), getattr(own, name)) if limit is not None), default=None)
        for name in ("requests", "tokens")
    }
    endpoint = suite.judge.endpoint.model_copy(update={"budget": Budget(**tighter)})
    return suite.model_copy(update={"judge": suite.judge.model_copy(update={"endpoint": endpoint})})
