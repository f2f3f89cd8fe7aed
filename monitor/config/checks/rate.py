"""Configuration of checks of a signal's rate."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from pydantic import Field, model_validator
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from monitor.config.checks.base import IncreaseConfig
from monitor.config.sections import Duration

LEVEL = "rate_level"
"""The detector that holds the mean against `max:`."""


class RateConfig(IncreaseConfig):
    """Watches the mean of a signal from 0 to 1, corrected by labels where there are some."""

    kind: SkipJsonSchema[str] = "rate"
    signal: str
    """The signal, 0 to 1, whose mean is watched."""
    max: float | None = Field(None, gt=0, le=1)
    """What the mean may be, whatever it was in the baseline."""
    labels_after: Duration = timedelta(0)
    """How long labels take to arrive; what needs them looks that far back."""
    labels_from: Literal["people", "judge"] = "people"
    """`judge` takes the verdicts of the monitor's evaluated `traffic:` where people gave no label."""
    labels_chosen: Literal["random", "by_score", "by_answer"] | None = None
    """How labelled answers were chosen; `by_answer` (complaints) gives no rate. Unset: tested, and said."""
    positive: str | None = None
    """The label that means bad; by default true, 1 and yes do."""

    @model_validator(mode="before")
    @classmethod
    def _has_signal(cls, settings: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(settings.get("signal"), str):
            raise PydanticCustomError("check", "a rate needs its signal: `- rate: {signal: hallucinated}`")
        return settings

    def fixed_threshold(self, method: str) -> float | None:
        """Return the greatest mean that is allowed, or the operator's own threshold of another method."""
        return self.max if method == LEVEL else super().fixed_threshold(method)
