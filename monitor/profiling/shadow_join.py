"""Shadows: join the records of champion and challenger by request, and compare the pairs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import numpy as np

from detectors.base import Finding, Status
from detectors.binning import to_categories
from detectors.encoding import pack, unpack
from detectors.experiment import shadow as pairs
from detectors.experiment.tally import Tally
from detectors.experiment.verdict import Metric, Word, answer_metric, settle
from monitor.config.arms import Shadow
from monitor.core.plain import plain
from monitor.core.record_batch import RecordBatch
from monitor.profiling.ab_counts import STATUS, metric_columns, metric_values, within
from monitor.sources.screen import without_personal

CHECK = "shadow"
MOST_WAITING = 500_000
"""Maximum number of records that wait for their counterpart; beyond it the oldest counts as unmatched."""
WORST = 20


@dataclass(frozen=True)
class Half:
    """One record of a request: arm, time, answer, and the value of each metric."""

    side: str
    at: float
    answer: object
    values: tuple[float, ...]


@dataclass(frozen=True)
class ShadowPair:
    """Both records of a request."""

    key: str
    champion: Half
    challenger: Half


@dataclass(frozen=True)
class Pairs:
    """Sums over pairs, which can be added and subtracted, and the 20 worst disagreements."""

    spec: Shadow
    tallies: Mapping[str, Tally] = field(default_factory=dict)
    alone: Mapping[str, int] = field(default_factory=dict)
    worst: Sequence[Mapping[str, Any]] = ()
    definition: str = ""

    @classmethod
    def of(cls, spec: Shadow, records: Sequence[ShadowPair], alone: Mapping[str, int]) -> Pairs:
        """Count pairs; ``alone`` is the number of unmatched records by side."""
        if not records:
            return cls(spec, alone=dict(alone))
        first, second = ([half.answer for half in side] for side in _sides(records))
        agree, near = pairs.agreement(spec.same, first, second, spec.tolerance, spec.similar)
        champion, challenger = (np.array([half.values for half in side], dtype=np.float64) for side in _sides(records))
        tallies = {"agreement": Tally.of(agree.astype(np.float64)), "closeness": Tally.of(near)}
        for place, name in enumerate(spec.metrics):
            one, other = champion[:, place], challenger[:, place]
            tallies[f"gap.{name}"], tallies[f"ratio.{name}"] = pairs.pair_differences(one, other), Tally.of(other, one)
        higher = [metric.better == "higher" for metric in spec.metrics.values()]
        grave = pairs.severity(np.where(agree, 1.0, near), champion, challenger, higher)
        places: list[int] = np.flatnonzero(grave > 0).tolist()
        order = sorted(places, key=lambda place: (-float(grave[place]), records[place].key))[:WORST]
        worst = [_evidence(spec, records[place], float(grave[place]), float(near[place])) for place in order]
        return cls(spec, tallies, dict(alone), worst)

    def tally(self, name: str) -> Tally:
        """Return a sum by name, empty if nothing was counted."""
        return self.tallies.get(name, Tally.empty())

    def __add__(self, other: Pairs) -> Pairs:
        """Return the sums of the union of two disjoint sets of pairs."""
        worst = sorted([*self.worst, *other.worst], key=lambda one: (-one["severity"], one["request"]))[:WORST]
        return self._with(other, Tally.__add__, 1, worst)

    def __sub__(self, other: Pairs) -> Pairs:
        """Return the sums without pairs that were added before."""
        gone = {(one["request"], one["at"]) for one in other.worst}
        left = [one for one in self.worst if (one["request"], one["at"]) not in gone]
        return self._with(other, Tally.__sub__, -1, left)

    def _with(self, other: Pairs, combine: Callable[[Tally, Tally], Tally], sign: int, worst: Any) -> Pairs:
        names = sorted({*self.tallies, *other.tallies})
        tallies = {name: combine(self.tally(name), other.tally(name)) for name in names}
        sides = sorted({*self.alone, *other.alone})
        alone = {side: self.alone.get(side, 0) + sign * other.alone.get(side, 0) for side in sides}
        return Pairs(self.spec, tallies, alone, worst, self.definition)

    def to_json(self) -> dict[str, Any]:
        """Return the sums as JSON types."""
        tallies = {name: tally.to_json() for name, tally in self.tallies.items()}
        return {"tallies": tallies, "alone": dict(self.alone), "worst": list(self.worst)}

    @classmethod
    def from_json(cls, spec: Shadow, data: Mapping[str, Any]) -> Pairs:
        """Return sums from the output of :meth:`to_json`."""
        tallies = {name: Tally.from_json(tally) for name, tally in data["tallies"].items()}
        return cls(spec, tallies, data["alone"], data["worst"])

    def with_definition(self, definition: str) -> Pairs:
        """Return the sums with a definition, see :func:`monitor.profiling.ab_counts.definition`."""
        return replace(self, definition=definition)

    def to_bytes(self) -> bytes:
        """Serialise the sums."""
        return pack(self.to_json())

    def from_bytes(self, data: bytes) -> Pairs:
        """Return sums of the same shadow from the output of :meth:`to_bytes`."""
        return replace(Pairs.from_json(self.spec, unpack(data, dict)), definition=self.definition)

    def summarize(self, before: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the report of the pairs as JSON types. The intervals are jointly valid at any time.

        ``before`` is the previous report: a decided verdict does not change.
        """
        spec = self.spec
        alpha = spec.alpha / (1 + len(spec.metrics))
        metrics = {}
        for name, metric in spec.metrics.items():
            difference = pairs.compare_pairs(
                self.tally(f"gap.{name}"), self.tally(f"ratio.{name}"), alpha, metric.minimum
            )
            answer = answer_metric(Metric(name, metric.better, metric.role, metric.minimum), difference, alpha)
            metrics[name] = {
                "champion": difference.control if difference.rows else None,
                "challenger": difference.treatment if difference.rows else None,
                "difference": difference.absolute._asdict(),
                "relative": difference.relative._asdict(),
                "gain": answer.gain._asdict(),
                "minimum": metric.minimum,
                "verdict": answer.verdict,
                "reason": answer.reason,
                "pairs": difference.rows,
                "pairs_needed": answer.rows_needed,
            }
        summary = {
            "pairs": self.tally("agreement").n,
            "unmatched": sum(self.alone.values()),
            "unmatched_by_side": dict(self.alone),
            "agreement": pairs.sequence(self.tally("agreement"), alpha)._asdict(),
            "closeness": pairs.sequence(self.tally("closeness"), alpha)._asdict(),
            "metrics": metrics,
            "disagreements": list(self.worst),
        }
        word, reason = conclude(spec, summary)
        last = before or {}
        verdict = settle(last.get("verdict"), word)
        summary |= {
            "verdict": verdict,
            "reason": reason if verdict == word else last["reason"],
            "announced": last.get("announced", "keep running"),
        }
        return dict(plain(summary))


def conclude(spec: Shadow, summary: Mapping[str, Any]) -> tuple[Word, str]:
    """Return the verdict about a shadow and its reason. One lost criterion decides; a win requires all criteria.

    Examples
    --------
    >>> spec = Shadow.model_validate(
    ...     {"name": "s", "champion": "a", "challenger": "b", "join": "id", "from": "2026-11-01", "min_agreement": 0.9}
    ... )
    >>> conclude(spec, {"agreement": {"value": 0.7, "low": 0.6, "high": 0.8}, "metrics": {}})
    ('lose', '70.0% agree (60.0% to 80.0%), and at least 90.0% must')
    """
    agree, least = summary["agreement"], spec.min_agreement
    words: dict[Word, list[str]] = {}
    if least is not None:
        is_defined = agree["high"] is not None
        word: Word = "keep running"
        if is_defined and agree["high"] < least:
            word = "lose"
        elif is_defined and agree["low"] >= least:
            word = "no difference"
        share = (
            f"{agree['value']:.1%} agree ({agree['low']:.1%} to {agree['high']:.1%})" if is_defined else "too few pairs"
        )
        words.setdefault(word, []).append(f"{share}, and at least {least:.1%} must")
    for name, each in summary["metrics"].items():
        words.setdefault(each["verdict"], []).append(f"{name}: {each['reason']}")
    order: tuple[Word, ...] = ("lose", "keep running", "win", "no difference")
    word = next((word for word in order if word in words), "keep running")
    return word, "; ".join(words.get(word, ["there is no criterion: set `min_agreement` or `metrics`"]))


def _sides(pairs: Sequence[ShadowPair]) -> tuple[list[Half], list[Half]]:
    return [pair.champion for pair in pairs], [pair.challenger for pair in pairs]


def _evidence(spec: Shadow, pair: ShadowPair, severity: float, closeness: float) -> dict[str, Any]:
    """Return the stored fields of a disagreement: the request and numbers, no texts of answers."""
    gaps = (other - one for one, other in zip(pair.champion.values, pair.challenger.values, strict=True))
    differences = {name: gap for name, gap in zip(spec.metrics, gaps, strict=True) if math.isfinite(gap)}
    return {
        "request": _storable(pair.key),
        "severity": severity,
        "closeness": closeness,
        "at": datetime.fromtimestamp(pair.champion.at, UTC).isoformat(),
        "differences": differences,
    }


def _storable(key: str) -> str:
    """Return the key of a request in a form that every database can store, without personal data and secrets."""
    return without_personal(key[:256].replace("\x00", "\ufffd").encode("utf-8", "replace").decode())


class Joiner:
    """Joins the records of a time range, in order of time, and counts the pairs by bucket.

    A pair belongs to the bucket of its champion's record, an unmatched record to its own. Records up to ``within``
    before and after the range are joined too, so that buckets add up to the whole. Memory is bounded by the records
    of one ``within``, at most MOST_WAITING.
    """

    def __init__(self, spec: Shadow, start: datetime, end: datetime, step: timedelta) -> None:
        self._spec, self._start, self._end, self._step = spec, start.timestamp(), end.timestamp(), step.total_seconds()
        self._waiting: dict[str, Half] = {}
        self._sums: dict[int, Pairs] = {}

    def add(self, records: RecordBatch) -> None:
        """Join a page with the waiting records."""
        spec = self._spec
        if not {spec.arm, spec.join, spec.answer} <= set(records):
            return
        pairs: list[ShadowPair] = []
        alone: list[Half] = []
        for key, half in _halves(spec, records):
            self._expire(half.at, alone)
            other = self._waiting.get(key)
            if other is None:
                self._waiting[key] = half
            elif other.side != half.side:
                del self._waiting[key]
                both = (other, half) if other.side == spec.champion else (half, other)
                pairs.append(ShadowPair(key, *both))
        self._count(pairs, alone)

    def _expire(self, now: float, alone: list[Half]) -> None:
        """Move records that have waited longer than ``within`` to ``alone``; the dictionary is in order of time."""
        patience = self._spec.within.total_seconds()
        while self._waiting:
            key = next(iter(self._waiting))
            if len(self._waiting) <= MOST_WAITING and self._waiting[key].at >= now - patience:
                return
            alone.append(self._waiting.pop(key))

    def _count(self, pairs: Sequence[ShadowPair], alone: Sequence[Half]) -> None:
        groups: dict[int, tuple[list[ShadowPair], dict[str, int]]] = {}
        for pair in pairs:
            if self._start <= pair.champion.at < self._end:
                groups.setdefault(self._place(pair.champion.at), ([], {}))[0].append(pair)
        for half in alone:
            if self._start <= half.at < self._end:
                halves = groups.setdefault(self._place(half.at), ([], {}))[1]
                halves[half.side] = halves.get(half.side, 0) + 1
        for place, (listed, single) in groups.items():
            before = self._sums.get(place, Pairs(self._spec))
            self._sums[place] = before + Pairs.of(self._spec, listed, single)

    def _place(self, at: float) -> int:
        return int((at - self._start) // self._step)

    def finish(self) -> Iterator[tuple[datetime, Pairs]]:
        """Yield start and sums of every bucket of the range, including empty ones. Call it last."""
        self._count([], list(self._waiting.values()))
        self._waiting.clear()
        start = datetime.fromtimestamp(self._start, UTC)
        for place in range(max(1, math.ceil((self._end - self._start) / self._step))):
            yield start + place * timedelta(seconds=self._step), self._sums.get(place, Pairs(self._spec))


def _halves(spec: Shadow, records: RecordBatch) -> Iterator[tuple[str, Half]]:
    """Yield the records of both sides, each with the key of its request, in order of time."""
    records = within(records, spec.start, spec.end)
    whose, keys, answers = to_categories(records[spec.arm]), to_categories(records[spec.join]), records[spec.answer]
    times = records.times
    columns: list[np.ndarray] = []
    for name, metric in spec.metrics.items():
        if set(metric_columns(name, metric)) <= set(records):
            y, x = metric_values(records, name, metric)
            columns.append(np.divide(y, x, where=x != 0, out=np.full(len(y), np.nan)))
        else:
            columns.append(np.full(len(times), np.nan))
    for row in np.flatnonzero(np.isin(whose, [spec.champion, spec.challenger]) & (keys != "")):
        answer = None if answers.missing[row] else answers.values[row]
        values = tuple(float(column[row]) for column in columns)
        yield str(keys[row]), Half(str(whose[row]), float(times[row]), answer, values)


def shadow_findings(spec: Shadow, summary: Mapping[str, Any]) -> list[Finding]:
    """Return the findings of a shadow: `shadow.NAME`, the agreement, and `shadow.NAME.METRIC` by metric.

    They are about the data pipeline, since users do not get the answers of a challenger, so a rollback would not help.
    """
    if not summary:
        return []
    make = partial(Finding, CHECK, segment=f"{spec.arm}={spec.challenger}", about="pipe")
    agree, least = summary["agreement"], spec.min_agreement
    is_defined = agree["high"] is not None
    low = is_defined and least is not None and agree["high"] < least
    status = Status.DRIFTED if low else Status.OK if is_defined else Status.INCONCLUSIVE
    reason = f"{summary['pairs']} pairs, too few so far"
    if is_defined:
        reason = f"{agree['value']:.1%} of {summary['pairs']} pairs agree ({agree['low']:.1%} to {agree['high']:.1%})"
    differ = None if agree["value"] is None else 1 - agree["value"]
    findings = [
        make(
            spec.name,
            "agreement",
            status=status,
            reason=reason,
            statistic=differ,
            threshold=None if least is None else 1 - least,
            n_window=summary["pairs"],
            unit="share that differs",
            detail={bound: agree[bound] for bound in ("value", "low", "high")},
        )
    ]
    for name, each in summary["metrics"].items():
        gain = each["gain"]
        findings.append(
            make(
                f"{spec.name}.{name}",
                "gain",
                status=STATUS[each["verdict"]],
                reason=each["reason"],
                statistic=None if gain["value"] is None else -gain["value"],
                threshold=each["minimum"],
                n_window=each["pairs"],
                unit="of the champion",
                detail={bound: gain[bound] for bound in ("value", "low", "high")},
            )
        )
    return findings
