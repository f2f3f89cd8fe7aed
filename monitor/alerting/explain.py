"""Explain: which segment and which values carry a finding that is news, and what changed just before. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta

from detectors.base import Detector, Finding
from detectors.contribution import (
    ColumnPair,
    ValueGroup,
    contributing_pairs,
    contributing_shift,
    contributing_values,
    put_flags_first,
)
from detectors.drift.bins import middle_ranks
from detectors.joint import JOINT
from detectors.profile import Profile
from detectors.segment_attribution import SegmentContribution, find_contributing_segments, rank
from monitor.alerting.attribution import attribute
from monitor.alerting.change_point import Plateau
from monitor.alerting.incidents import choose_suspect, is_news, merge_evidence
from monitor.checks.baseline import Baseline
from monitor.checks.detect import Window, reference
from monitor.checks.methods import METHODS, find_detector
from monitor.config.models import Monitor
from monitor.config.rules import matches, rule_name
from monitor.core.incident import Change, Incident
from monitor.core.payload import Suspect

MOST_FINDINGS = 10
MOST_CARRIERS = 3
MOST_PARTS = 5
LONGEST_NAME = 60
LONGEST_SENTENCE = 300
LEAST_POINTS = 1.0
"""Values that gained or lost less of the rows, in points, are told only where chance does not explain it."""
FEWEST_ROWS = 10
"""Of fewer rows, in the window or expected there, nothing is told."""
DEVIATIONS = 4.0
"""Standard errors from which on a small gain or loss is not chance."""
EXPLICABLE = ("numeric", "categorical")
"""Kinds of column whose values can be told apart."""


def explain(
    monitor: Monitor,
    baseline: Baseline | None,
    window: Window | None,
    findings: Sequence[Finding],
    standing: Mapping[str, Incident],
    changes: Sequence[Change],
    at: datetime,
) -> list[Finding]:
    """Add an explanation to what drifted and was not told of before; the rest costs nothing and stays as it is.

    Parameters
    ----------
    standing
        Open incidents by rule: what they hold is known.
    changes
        First sights; those since the window began may be named.

    Returns
    -------
    list of Finding
        The same findings, with the part that each new version explains (see :mod:`monitor.alerting.attribution`). Of
        each column and segment the worst one, of at most ten, has ``explanation`` in its
        detail: ``{sentence, text, carriers, values, pairs, change}``; the text is the sentence without its lead and
        without the change, which an incident has beside it.
    """
    if baseline is None or window is None:
        return list(findings)
    findings = attribute(monitor, baseline, window, findings, changes, at)
    chosen = {finding.key for finding in worth(monitor, findings, standing)}
    since = at - monitor.window - monitor.bucket
    recent = [change for change in changes if since <= change.first_seen <= at]
    return [_safely(monitor, baseline, window, f, recent, at) if f.key in chosen else f for f in findings]


def explain_moves(plateau: Plateau, window: Window, moved: Sequence[Finding]) -> list[Finding]:
    """Add to what has moved on from a plateau which values moved; of at most ten findings, the worst first."""
    chosen = {finding.key for finding in sorted(moved, key=lambda f: -f.excess)[:MOST_FINDINGS]}
    return [_explain_shift(plateau, window, finding) if finding.key in chosen else finding for finding in moved]


def _explain_shift(plateau: Plateau, window: Window, finding: Finding) -> Finding:
    old, new = (side.get(finding.segment, {}).get(str(finding.column)) for side in (plateau.profiles, window.profiles))
    if old is None or new is None or old.layout.kind not in EXPLICABLE:
        return finding
    try:
        parts = contributing_values(_detector(finding, old), old, new)
    except (ArithmeticError, ValueError, LookupError) as error:
        return replace(finding, detail={**finding.detail, "not_explained": f"{type(error).__name__}: {error}"})
    text = ", ".join(_where(finding, (), _telling(finding, parts, old, new), ()))
    return replace(finding, detail={**finding.detail, "explanation": {"text": text}}) if text else finding


def _detector(finding: Finding, side: Profile) -> Detector:
    """Return the detector that explains a finding: the one that made it, or the first that stands for it."""
    detector = find_detector(finding.method)
    others = (METHODS[name] for name in detector.explained_by)
    return next((other for other in others if side.layout.kind in other.kinds), detector)


def worth(monitor: Monitor, findings: Sequence[Finding], standing: Mapping[str, Incident]) -> list[Finding]:
    """Return the worst finding of each check, column and segment that is news, all rows before segments."""
    worst: dict[tuple[str, str | None, str | None], Finding] = {}
    drifted = [f for f in findings if f.is_adverse and f.column is not None]
    for finding in sorted(drifted, key=lambda f: (f.segment is not None, -f.excess)):
        watching = [rule for rule in monitor.rules if matches(rule, finding)]
        if any(is_news(finding, standing.get(rule_name(rule))) for rule in watching):
            worst.setdefault((finding.check, finding.column, finding.segment), finding)
    return list(worst.values())[:MOST_FINDINGS]


def _safely(
    monitor: Monitor, baseline: Baseline, window: Window, finding: Finding, changes: Sequence[Change], at: datetime
) -> Finding:
    """Explain a finding; one that cannot be explained says so and is judged all the same."""
    try:
        return _explain_finding(monitor, baseline, window, finding, changes, at)
    except (ArithmeticError, ValueError, LookupError) as error:
        return replace(finding, detail={**finding.detail, "not_explained": f"{type(error).__name__}: {error}"})


def _explain_finding(
    monitor: Monitor, baseline: Baseline, window: Window, finding: Finding, changes: Sequence[Change], at: datetime
) -> Finding:
    column = str(finding.column)
    before = baseline.within(column, window.starts)
    seen = window.labelled if _is_late(monitor, finding) else window.profiles
    now = {segment: columns[column] for segment, columns in seen.items() if column in columns}
    old, new = reference(monitor, before, finding.segment), now.get(finding.segment)
    if old is None or new is None:
        return finding
    detector = _detector(finding, old)
    carriers: tuple[SegmentContribution, ...] = ()
    if finding.segment is None and column != JOINT:
        carriers = _carriers(monitor, detector, before, now)
    parts = contributing_values(detector, old, new) if old.layout.kind in EXPLICABLE else ()
    pairs = contributing_pairs(old, new) if column == JOINT else ()
    blamed = finding.segment or (carriers[0].segment if carriers else None)
    change = choose_suspect(
        changes,
        at - monitor.window - monitor.bucket,
        merge_evidence({}, [replace(finding, segment=blamed)]),
    )
    text = ", ".join(_where(finding, carriers, _telling(finding, parts, old, new), pairs))
    sentence = "; ".join(filter(None, [", ".join(filter(None, [_lead(finding), text])), _before(change, at)]))
    if not text and change is None:
        return finding
    explanation = {
        "sentence": _cut(f"{sentence}.", LONGEST_SENTENCE),
        "text": _cut(text, LONGEST_SENTENCE),
        "carriers": [_plain(carrier) for carrier in carriers[:MOST_CARRIERS]],
        "values": [_plain(part) for part in parts[:MOST_PARTS]],
        "pairs": [{**_plain(pair), "columns": list(pair.columns)} for pair in pairs[:MOST_PARTS]],
        "change": change,
    }
    return replace(finding, detail={**finding.detail, "explanation": explanation})


def _is_late(monitor: Monitor, finding: Finding) -> bool:
    """Say whether a finding rests on labels that have had their time to arrive."""
    detector = METHODS.get(finding.method)
    on_labels = detector is not None and detector.check == "performance" and detector.counts == "usable"
    return on_labels and bool(monitor.labels_after)


def _carriers(
    monitor: Monitor, detector: Detector, before: Mapping[str | None, Profile], now: Mapping[str | None, Profile]
) -> tuple[SegmentContribution, ...]:
    """Return the carriers among the segments of every segment column, the most telling first."""
    found: list[SegmentContribution] = []
    for name in monitor.segments:
        known = sorted({s for s in (*before, *now) if s is not None and s.startswith(f"{name}=")})
        sides = {segment: (before.get(segment), now.get(segment)) for segment in known}
        found += find_contributing_segments(detector, before[None], now[None], sides, monitor.min_samples)
    return rank(found)


def _plain(found: SegmentContribution | ValueGroup | ColumnPair) -> dict[str, object]:
    return {name: _cut(item, LONGEST_NAME) if isinstance(item, str) else item for name, item in asdict(found).items()}


def _telling(finding: Finding, parts: Sequence[ValueGroup], old: Profile, new: Profile) -> ValueGroup | None:
    """Return the values that say most of a finding: of a statistic that went up or down, those that went with it."""
    named = put_flags_first([part for part in parts if part.kind != "rest"])
    detector = _detector(finding, old)
    if old.layout.kind == "numeric" and not detector.unusable and (not named or detector.follows):
        most = 1 - float(str(finding.detail.get("quantile", 0.0)))
        shift = contributing_shift(old, new, up=_went_up(finding, old, new), most=most)
        named = [] if shift is None else [shift]
    return next((part for part in named if _is_worth_telling(part, old, new)), None)


def _went_up(finding: Finding, old: Profile, new: Profile) -> bool:
    """Say whether the numbers of a column went up, by the statistic that drifted or else by their ranks."""
    if find_detector(finding.method).follows == "up":
        return True
    if {"up", "down"} <= set(finding.detail):
        return float(str(finding.detail["up"])) >= float(str(finding.detail["down"]))
    ranks, _ = middle_ranks(old)
    return bool(new.counts @ ranks / max(1, new.n) >= old.counts @ ranks / max(1, old.n))


def _is_worth_telling(part: ValueGroup, old: Profile, new: Profile) -> bool:
    """Say whether values gained or lost enough to be named: a point of the rows, or more than chance."""
    before, now = max(1, old.rows), max(1, new.rows)
    if now * max(part.share, part.baseline_share) < FEWEST_ROWS:
        return False
    pooled = (part.share * now + part.baseline_share * before) / (now + before)
    chance = (pooled * (1 - pooled) * (1 / now + 1 / before)) ** 0.5
    return abs(part.points) >= LEAST_POINTS or abs(part.points) > 100 * DEVIATIONS * chance


def _lead(finding: Finding) -> str:
    column = "all columns together" if finding.column == JOINT else _cut(str(finding.column), LONGEST_NAME)
    within = f" in {_cut(finding.segment, LONGEST_NAME)}" if finding.segment else ""
    return f"{finding.method} of {column}{within}{_size(finding)}"


def _size(finding: Finding) -> str:
    """Say how large a statistic is, in the unit that people use for it."""
    if finding.statistic is None:
        return ""
    if finding.unit.startswith("share of"):
        return f" {_percent(finding.statistic)}"
    if finding.unit == "points":
        return f" {100 * finding.statistic:.2g} points"
    if finding.unit == "log ratio":
        return f" by {math.expm1(finding.statistic):.0%}".replace("%", " %")
    return f" {finding.statistic:.2g}{' s' * (finding.unit == 's')}"


def _where(
    finding: Finding, carriers: Sequence[SegmentContribution], told: ValueGroup | None, pairs: Sequence[ColumnPair]
) -> Iterator[str]:
    if carriers:
        yield _segment(carriers[0])
    if told is not None:
        name = _cut(str(finding.column), LONGEST_NAME)
        of = {"range": "values ", "value": "share of ", "category": f"{name}="}.get(told.kind, "")
        verb = "rose" if told.points > 0 else "fell"
        shares = f"from {_percent(told.baseline_share)} to {_percent(told.share)} of rows"
        yield f"{of}{_cut(told.value, LONGEST_NAME)} {verb} {shares}"
    if pairs:
        first, second = (_cut(name, LONGEST_NAME) for name in pairs[0].columns)
        yield f"correlation of {first} and {second} went from {pairs[0].before:.2f} to {pairs[0].now:.2f}"


def _segment(carrier: SegmentContribution) -> str:
    name = _cut(carrier.segment, LONGEST_NAME)
    if carrier.how == "all":
        return f"in every {name}"
    if carrier.how == "mix":
        return f"because {name} went from {_percent(carrier.baseline_share)} to {_percent(carrier.share)} of rows"
    return f"{carrier.how} in {name} ({_percent(carrier.share)} of rows{', new' * carrier.new})"


def _before(change: Suspect | None, at: datetime) -> str:
    if change is None:
        return ""
    name = f"{_cut(change['column'], LONGEST_NAME)} {_cut(change['value'], LONGEST_NAME)}"
    what = f"column {_cut(change['value'], LONGEST_NAME)}" if change["kind"] == "column" else name
    return f"{what} was first seen {_ago(at - datetime.fromisoformat(change['first_seen']))} before"


def _ago(age: timedelta) -> str:
    minutes = max(1, round(age / timedelta(minutes=1)))
    count, unit = (minutes, "minute") if minutes < 120 else (round(minutes / 60), "hour")
    return f"{count} {unit}{'s' * (count > 1)}"


def _percent(share: float) -> str:
    """Say a share in percent, to two digits where it is below one percent."""
    return f"{100 * share:.0f} %" if share == 0 or share >= 0.01 else f"{100 * share:.2g} %"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
