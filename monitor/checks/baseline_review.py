"""Review of a baseline: the problems of its range, stored with the baseline.

:mod:`monitor.checks.baseline_problems` creates it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from detectors.base import Finding, Status
from detectors.baseline_checks import SHIFT_FLOOR, TREND_FLOOR

BASELINE = "baseline"
"""Name of the check of findings about the baseline itself."""
REVIEW = "review"
Kind = Literal["shift", "trend", "stretch", "gap", "season", "versions"]
UNFIT: tuple[Kind, ...] = ("shift", "trend")
"""Kinds of problems that make a range unfit as a baseline, since the data is not homogeneous."""
Range = tuple[datetime, datetime]


@dataclass(frozen=True)
class BaselineProblem:
    """A problem inside the range of a baseline.

    Parameters
    ----------
    start, end
        Start and end; ``end`` is None if it lasts to the end of the range.
    text
        Description, a clause without a full stop.
    columns
        Affected columns, largest change first.
    size
        Largest effect, in standard deviations of single values; 0 if it has no size.
    """

    kind: Kind
    start: datetime
    end: datetime | None
    text: str
    columns: tuple[str, ...] = ()
    size: float = 0.0


@dataclass(frozen=True)
class Review:
    """The problems of a range, and its clean parts.

    Parameters
    ----------
    clean
        The longest part without a problem; None if the whole range is clean, or no part is long enough.
    before
        The longest clean part before the last shift; None if there is no shift, or no part is long enough.
    since
        The clean part after the last shift, if it is long enough.
    noise
        Standard error of the mean over the whole range by column, autocorrelation included, in standard deviations.
    """

    start: datetime
    end: datetime
    problems: tuple[BaselineProblem, ...] = ()
    clean: Range | None = None
    before: Range | None = None
    since: Range | None = None
    noise: Mapping[str, float] = field(default_factory=dict)

    @property
    def unfit(self) -> list[BaselineProblem]:
        """Return the problems that make the range unfit as a baseline."""
        return [problem for problem in self.problems if problem.kind in UNFIT]

    def to_json(self) -> dict[str, Any]:
        """Return the review as JSON types."""
        problems = [
            {
                "kind": each.kind,
                "from": each.start.isoformat(),
                "to": each.end.isoformat() if each.end else None,
                "text": each.text,
                "columns": list(each.columns),
                "size": each.size,
            }
            for each in self.problems
        ]
        ranges = {name: _range_to_json(getattr(self, name)) for name in ("clean", "before", "since")}
        return {
            "from": self.start.isoformat(),
            "to": self.end.isoformat(),
            "problems": problems,
            **ranges,
            "noise": dict(self.noise),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | None) -> Review | None:
        """Return a review from the output of :meth:`to_json`; None if the baseline was not reviewed."""
        if not data:
            return None
        problems = tuple(
            BaselineProblem(
                kind=each["kind"],
                start=datetime.fromisoformat(each["from"]),
                end=datetime.fromisoformat(each["to"]) if each["to"] else None,
                text=each["text"],
                columns=tuple(each["columns"]),
                size=each["size"],
            )
            for each in data["problems"]
        )
        ranges = {name: _range_of_json(data[name]) for name in ("clean", "before", "since")}
        start, end = (datetime.fromisoformat(data[side]) for side in ("from", "to"))
        return cls(start, end, problems, **ranges, noise=data.get("noise", {}))


def _range_to_json(span: Range | None) -> dict[str, str] | None:
    return {"from": span[0].isoformat(), "to": span[1].isoformat()} if span else None


def _range_of_json(data: Mapping[str, str] | None) -> Range | None:
    return (datetime.fromisoformat(data["from"]), datetime.fromisoformat(data["to"])) if data else None


def as_setting(span: Range) -> str:
    """Format a range as a `baseline:` setting of driftd.yaml.

    Examples
    --------
    >>> as_setting((datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 15, 6, tzinfo=UTC)))
    'baseline: {from: 2026-11-01T00:00:00Z, to: 2026-11-15T06:00:00Z}'
    """
    start, end = (f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" for moment in span)
    return f"baseline: {{from: {start}, to: {end}}}"


def advice(review: Review) -> list[str]:
    """Return suggested `baseline:` settings, as clauses."""
    sentences_of_advice = []
    if review.clean and any(problem.kind == "trend" for problem in review.problems):
        sentences_of_advice.append(f"over its newest part the trend is small: `{as_setting(review.clean)}`")
    elif review.clean:
        sentences_of_advice.append(f"the longest clean range is `{as_setting(review.clean)}`")
    if review.since and review.since != review.clean:
        sentences_of_advice.append(
            f"if the last change was intended, use the range after it: `{as_setting(review.since)}`"
        )
    if review.unfit and not sentences_of_advice:
        sentences_of_advice.append(
            "no part of it is clean and long enough; wait for more data, or set `baseline: {from: …, to: …}`"
        )
    return sentences_of_advice


def sentences(review: Review | None) -> list[str]:
    """Return the problems of the range of a baseline and the suggested settings, as clauses."""
    if review is None or not review.problems:
        return []
    return [problem.text for problem in review.problems] + advice(review)


def review_finding(review: Review | None) -> list[Finding]:
    """Return the finding about the range of a baseline, with status drifted if it is unfit.

    A range that is too short for a review has none.
    """
    if review is None or not (review.problems or review.noise):
        return []
    reason = "; ".join(sentences(review)) or "its range is homogeneous"
    unfit = review.unfit
    stated = Finding(BASELINE, None, REVIEW, None, Status.OK, f"the baseline: {reason}", about="pipe")
    if not unfit:
        return [stated]
    worst = max(unfit, key=lambda problem: abs(problem.size))
    floor = SHIFT_FLOOR if worst.kind == "shift" else TREND_FLOOR
    return [
        replace(
            stated, status=Status.DRIFTED, statistic=abs(worst.size), threshold=floor, unit="sd", direction="neutral"
        )
    ]
