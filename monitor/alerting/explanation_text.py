"""Format explanations of findings as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from detectors import Finding
from detectors.contribution import ValueGroup
from detectors.explanation import Explanation
from detectors.segment_attribution import SegmentContribution
from monitor.core.incident import SEGMENT, UPSTREAM
from monitor.core.payload import Suspect

LONGEST_NAME = 60
LONGEST_SENTENCE = 300


def describe_difference(
    finding: Finding, explanation: Explanation, carriers: Sequence[SegmentContribution] = ()
) -> str:
    """Describe the segment, values and pairs of columns that contribute most to a finding; may be empty."""
    return ", ".join(_differences(finding, explanation, carriers))


def describe_finding(finding: Finding, text: str, change: Suspect | None, at: datetime) -> str:
    """Return reason, explanation and preceding change of a finding as one sentence."""
    sentence = "; ".join(filter(None, [finding.reason, text, _before(change, at)]))
    return shorten(f"{sentence}.", LONGEST_SENTENCE)


def _differences(finding: Finding, explanation: Explanation, carriers: Sequence[SegmentContribution]) -> Iterator[str]:
    main, pairs = explanation.main, explanation.pairs
    if carriers:
        yield _segment(carriers[0])
    if main is not None and not _is_given(finding, main):
        name = shorten(str(finding.column), LONGEST_NAME)
        of = {"range": "values ", "value": "share of ", "category": f"{name}="}.get(main.kind, "")
        verb = "rose" if main.points > 0 else "fell"
        shares = f"from {_percent(main.baseline_share)} to {_percent(main.share)} of rows"
        yield f"{of}{shorten(main.value, LONGEST_NAME)} {verb} {shares}"
    if pairs:
        first, second = (shorten(name, LONGEST_NAME) for name in pairs[0].columns)
        yield f"correlation of {first} and {second} changed from {pairs[0].before:.2f} to {pairs[0].now:.2f}"


def _is_given(finding: Finding, group: ValueGroup) -> bool:
    """Return whether the reason of the finding already states the share of these values."""
    if group.kind == "category":
        return finding.reason.startswith(f"share of {finding.column}={group.value} ")
    return group.kind == "other" or (group.kind == "value" and group.value == "1" and " rate " in finding.reason[:80])


def _segment(carrier: SegmentContribution) -> str:
    name = shorten(carrier.segment, LONGEST_NAME)
    if carrier.how == "all":
        return f"in every {name}"
    if carrier.how == "mix":
        return f"because {name} changed from {_percent(carrier.baseline_share)} to {_percent(carrier.share)} of rows"
    return f"{carrier.how} in {name} ({_percent(carrier.share)} of rows{', new' * carrier.new})"


def _before(change: Suspect | None, at: datetime) -> str:
    if change is None:
        return ""
    name = f"{shorten(change['column'], LONGEST_NAME)} {shorten(change['value'], LONGEST_NAME)}"
    what = f"column {shorten(change['value'], LONGEST_NAME)}" if change["kind"] == "column" else name
    if change["kind"] in (SEGMENT, UPSTREAM):
        return ""  # the segment is a part of the explanation, and the column is that of the finding
    return f"{what} was first seen {_ago(at - datetime.fromisoformat(change['first_seen']))} before"


def _ago(age: timedelta) -> str:
    minutes = max(1, round(age / timedelta(minutes=1)))
    count, unit = (minutes, "minute") if minutes < 120 else (round(minutes / 60), "hour")
    return f"{count} {unit}{'s' * (count > 1)}"


def _percent(share: float) -> str:
    """Format a share in percent, with two significant digits below one percent."""
    return f"{100 * share:.0f} %" if share == 0 or share >= 0.01 else f"{100 * share:.2g} %"


def shorten(text: str, most: int) -> str:
    """Truncate a text to at most ``most`` characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
