"""Configuration of `rate` checks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from pydantic import Field, model_validator
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from monitor.config.checks.base import IncreaseConfig
from monitor.config.sections import Duration

LEVEL = "rate_level"
"""The detector that compares the mean with `max:`."""


class RateConfig(IncreaseConfig):
    """Monitors the mean of a signal from 0 to 1, corrected with labels where there are any."""

    kind: SkipJsonSchema[str] = "rate"
    signal: str
    """Signal from 0 to 1 whose mean is monitored."""
    max: float | None = Field(None, gt=0, le=1)
    """Upper limit of the mean, independent of the baseline."""
    labels_after: Duration = timedelta(0)
    """Delay until labels have arrived; metrics that need labels are computed for windows that ended that long ago."""
    labels_from: Literal["people", "judge"] = "people"
    """`people`, or `judge`: also use the verdicts of an LLM judge on sampled traffic where there is no human label."""
    labels_chosen: Literal["random", "by_score", "by_answer"] | None = None
    """How answers were selected for labelling; `by_answer` (such as complaints) gives no rate. Default: tested."""
    positive: str | None = None
    """Label that means a bad answer; default: true, 1 or yes."""

    @model_validator(mode="before")
    @classmethod
    def _has_signal(cls, settings: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(settings.get("signal"), str):
            raise PydanticCustomError("check", "a rate check needs `signal:`, such as `- rate: {signal: hallucinated}`")
        return settings

    def fixed_threshold(self, method: str) -> float | None:
        """Return `max:` for the level, or the configured threshold of another method."""
        return self.max if method == LEVEL else super().fixed_threshold(method)
