"""Changes that people marked or documented: who finds them with a message of its own, and what else is said.

A change is found by a message within two windows of it. For driftd that is a page or an update of an open incident,
for the peers the start of an episode of alerts. Everybody's other messages are counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pandas as pd

from benchmarks.detection import ours, peers, streams, tables
from benchmarks.detection.peers import Verdict
from benchmarks.detection.streams import Stream
from detectors.evaluate import page_starts, quiet_threshold

THIN = {"min_samples": 5, "segments": []}
"""For streams with a dozen rows a window: driftd wants 100 of them unless it is told otherwise."""
BUDGET = "1/week"
RATE = 1.0
LIMIT = 300
"""Windows of a stream, at most."""


def every_stream() -> list[Stream]:
    """Return the streams with known changes."""
    return [*streams.annotated(), *streams.known()]


def _of_driftd(stream: Stream) -> tuple[str, str]:
    told = ours.run(stream, BUDGET, **THIN)
    times = [pd.Timestamp(change["at"]) for incident in told["incidents"] for change in incident["changes"]]
    sure = told["baseline"]["limit"] is not None
    return told_of(stream, times), "" if sure else "driftd's baseline is too short to be calibrated"


def told_of(stream: Stream, times: Sequence[pd.Timestamp]) -> str:
    """Say how many changes have a message within two windows, and how many messages have no change."""
    within = 2 * stream.window
    found = sum(any(change < at <= change + within for at in times) for change in stream.changes)
    other = sum(not any(change < at <= change + within for change in stream.changes) for at in times)
    return f"{found} found, {other} other"


def _starts(stream: Stream, ends: Sequence[pd.Timestamp], alerts: Sequence[bool]) -> str:
    return told_of(stream, [ends[index] for index in page_starts(alerts)])


def _row(index: int, with_peers: bool) -> list[list[object]]:  # noqa: FBT001
    stream = every_stream()[index]
    mine, note = _of_driftd(stream)
    own: list[object] = [stream.name, len(stream.changes), mine]
    if not with_peers:
        return [own, [*own, note]]
    spans, usual = peers.windows(stream, limit=LIMIT), peers.learning_windows(stream)[-LIMIT:]
    live, quiet = peers.run_peers(stream, spans), peers.run_peers(stream, usual)
    equal = list(own)
    for name, (_, score) in peers.AT_EQUAL_RATES.items():
        said, calm = live[name], quiet[name]
        if isinstance(said, str) or isinstance(calm, str):
            own.append(str(said))
            equal.append(str(said))
            continue
        ends = [verdict.end for verdict in said]
        own.append(_starts(stream, ends, [verdict.alert for verdict in said]))
        equal.append(_starts(stream, ends, _rare(score(calm, calm), score(calm, said), peers.weeks(usual))))
    return [own, [*equal, note]]


def _rare(quiet: Sequence[Verdict], live: Sequence[Verdict], weeks: float) -> list[bool]:
    """Return the alerts above the threshold that pages once a week on the windows of the learn part."""
    usual = [peers.largest(verdict) for verdict in quiet]
    threshold = quiet_threshold(usual, int(RATE * weeks + 1e-9))
    return [bool(peers.largest(verdict) > threshold) for verdict in live]


def table(each: Callable[..., Iterator[Any]], *, with_peers: bool) -> str:
    """Print the peers' defaults, and below them the peers at the rate of false pages that driftd is held to."""
    jobs = [(index, with_peers) for index in range(len(every_stream()))]
    rows = list(each(_row, jobs))
    names = peers.PEERS if with_peers else ()
    first = tables.table(["stream", "changes", "driftd", *names], [own for own, _ in rows])
    if not with_peers:
        return first
    head = ["stream", "changes", "driftd", *(f"{name}, 1 a week" for name in names), "note"]
    return f"{first}\n\nThe peers at a threshold that pages once a week on the learn part:\n\n" + tables.table(
        head, [equal for _, equal in rows]
    )
