"""Evidently and NannyML on the same streams and changes: their defaults, and thresholds that cost one alert a week."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.awkward import changes, streams
from benchmarks.detection import injected, peers, tables
from benchmarks.detection.peers import Verdict
from benchmarks.detection.streams import DAY

RATE = 1.0
"""False alerts a week for the comparison of delays."""
LIVE_DAYS = 9
"""Days with the change; as many after them are quiet, and set the thresholds."""


@dataclass(frozen=True)
class Seen:
    """What one peer says of one stream: alerts of its defaults on quiet windows, or the delay of a change in hours."""

    kind: str
    peer: str
    change: str | None
    alerts: int = 0
    weeks: float = 0.0
    hours: float = np.inf


def of_peers(kind: str, seed: int) -> list[Seen]:
    """Let the peers judge one quiet stream, and the changes in it."""
    whole = streams.quiet(kind, seed)
    split = whole.learn_until + LIVE_DAYS * DAY
    calm = streams.first(whole, split + LIVE_DAYS * DAY)
    spans = peers.windows(calm)
    verdicts = peers.run_peers(calm, spans)
    found = [
        Seen(kind, peer, None, peers.pages([each.alert for each in seen]), peers.weeks(spans))
        for peer, seen in verdicts.items()
        if not isinstance(seen, str)
    ]
    later = peers.weeks([span for span in spans if span[0] >= split])
    at = changes.moment(calm, 1 + seed * 7 % 24 / 24)
    for change, what in streams.CHANGES.items():
        judged = injected.judged_again(calm, verdicts, streams.changed(calm, change, at, seed))
        for peer, (of, score) in peers.AT_EQUAL_RATES.items():
            usual, live = verdicts[of], judged[of]
            if isinstance(usual, str) or isinstance(live, str):
                continue
            quiet = [each for each in usual if each.end > split]
            during = [each for each in live if each.end <= split]
            scores = score(quiet, during)
            equal = peers.at_equal_false_alarms(score(quiet, quiet), scores, RATE, later, at)
            found.append(Seen(kind, peer, change, hours=_delay(scores, equal.threshold, what.column, at)))
    return found


def _delay(verdicts: Sequence[Verdict], threshold: float, column: str, at: pd.Timestamp) -> float:
    """Return after how many hours a window alerts about the column that changed, or about all columns as one."""
    for verdict in verdicts:
        if verdict.end > at and verdict.scores.get(column, peers.largest(verdict)) > threshold:
            return (verdict.end - at) / pd.Timedelta(hours=1)
    return np.inf


def quiet_table(kinds: Sequence[str], results: Sequence[Seen]) -> str:
    """Return alerts a week of the peers' defaults on quiet streams."""
    rows = []
    for kind in kinds:
        cells = []
        for peer in peers.PEERS:
            own = [one for one in results if (one.kind, one.peer, one.change) == (kind, peer, None)]
            cells.append(tables.rate(sum(o.alerts for o in own), sum(o.weeks for o in own)) if own else "not run")
        rows.append([kind, *cells])
    return tables.table(["kind", *peers.PEERS], rows)


def changes_table(kinds: Sequence[str], results: Sequence[Seen], ours: Sequence[changes.Found]) -> str:
    """Return median delay and recall of every change over the kinds that the peers have seen, driftd's beside them."""
    rows: list[list[object]] = []
    for change in streams.CHANGES:
        own = changes.spoken([one.hours for one in ours if one.change == change and one.kind in kinds])
        theirs = [
            changes.spoken([one.hours for one in results if (one.peer, one.change) == (peer, change)])
            for peer in peers.AT_EQUAL_RATES
        ]
        rows.append([change, own, *theirs])
    return tables.table(["change", "driftd", *peers.AT_EQUAL_RATES], rows)
