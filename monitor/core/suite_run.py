"""Results of a run of an evaluation suite, as they are compared, stored and printed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import numpy as np

from detectors.performance.paired import PairedComparison

OVERALL = "overall"
"""Name of the measure that is the mean over all expectations."""
Result = Literal["good", "regressed", "below", "inconclusive"]
LISTED = 10
"""Maximum number of cases with a lower score that are printed."""
EXIT: dict[Result, int] = {"good": 0, "regressed": 1, "below": 1, "inconclusive": 2}


@dataclass
class SuiteUsage:
    """Requests and tokens sent to and received from an endpoint."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def tokens(self) -> int:
        """Return the sum of prompt and completion tokens."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True)
class CaseResult:
    """The result of one case.

    Parameters
    ----------
    scores
        Scores by expectation and ``overall``: float64 of shape (samples,), NaN for a sample without a score.
    failures
        One word for each sample without an answer: the reason.
    answers
        The answers, None for a failed sample; printed, not stored.
    """

    id: str
    definition: str
    tags: Sequence[str]
    scores: Mapping[str, np.ndarray]
    failures: Sequence[str] = ()
    answers: Sequence[str | None] = ()

    @property
    def score(self) -> float:
        """Return the mean over samples, NaN if none has a score."""
        return mean(self.scores[OVERALL])


@dataclass(frozen=True)
class Comparison:
    """The comparison of one measure: the whole suite, an expectation, or a tag."""

    measure: str
    paired: PairedComparison
    p_adjusted: float
    regressed: bool


@dataclass(frozen=True)
class Run:
    """A run of a suite and its result.

    Parameters
    ----------
    fallen
        Cases whose score decreased, largest decrease first: id, score before, score now.
    """

    id: str
    suite: str
    model: str | None
    started_at: datetime
    finished_at: datetime
    cases: Sequence[CaseResult]
    copies: bool
    result: Result = "inconclusive"
    reason: str = ""
    compared_with: Sequence[str] = ()
    comparisons: Sequence[Comparison] = ()
    spent: Mapping[str, SuiteUsage] = field(default_factory=dict)
    fallen: Sequence[tuple[str, float, float]] = ()

    @property
    def samples(self) -> int:
        """Return the number of requested answers."""
        return sum(len(case.scores[OVERALL]) for case in self.cases)

    @property
    def failures(self) -> dict[str, int]:
        """Return the number of samples without an answer, by reason."""
        reasons = [reason for case in self.cases for reason in case.failures]
        return {reason: reasons.count(reason) for reason in sorted(set(reasons))}

    @property
    def score(self) -> float:
        """Return the unweighted mean over cases, NaN if none has a score."""
        return mean(np.array([case.score for case in self.cases]))

    def to_json(self) -> dict[str, Any]:
        """Return the run as JSON types, including the answers."""
        return {
            "id": self.id,
            "suite": self.suite,
            "result": self.result,
            "reason": self.reason,
            "exit_code": EXIT[self.result],
            "model": self.model,
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "score": self.score,
            "samples": self.samples,
            "failed": self.failures,
            "copies": self.copies,
            "compared_with": list(self.compared_with),
            "comparisons": [comparison_json(one) for one in self.comparisons],
            "fallen": [
                {"case": case, "before": before, "after": after} for case, before, after in self.fallen[:LISTED]
            ],
            "spent": {who: vars(spent) for who, spent in self.spent.items()},
            "cases": [case_json(case) for case in self.cases],
        }


def mean(values: np.ndarray) -> float:
    """Return the mean without NaN; NaN if there are no other values."""
    numbers = np.asarray(values, dtype=np.float64)
    numbers = numbers[~np.isnan(numbers)]
    return float(numbers.mean()) if len(numbers) else math.nan


def comparison_json(one: Comparison) -> dict[str, Any]:
    """Return a comparison as JSON types."""
    return {
        "measure": one.measure,
        **{name: _finite(value) for name, value in vars(one.paired).items()},
        "p_adjusted": _finite(one.p_adjusted),
        "regressed": one.regressed,
    }


def scores_json(scores: Mapping[str, np.ndarray]) -> dict[str, list[float | None]]:
    """Return scores as JSON types, None for NaN."""
    return {name: [_finite(value) for value in values.tolist()] for name, values in scores.items()}


def case_json(case: CaseResult) -> dict[str, Any]:
    """Return a case as JSON types."""
    return {
        "id": case.id,
        "tags": list(case.tags),
        "score": _finite(case.score),
        "scores": scores_json(case.scores),
        "failures": list(case.failures),
        "answers": list(case.answers),
    }


def _finite(value: Any) -> Any:  # noqa: ANN401
    return None if isinstance(value, float) and not math.isfinite(value) else value
