"""Configuration of service level objectives."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from pydantic import Field, model_validator
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from monitor.config.checks.base import CheckConfig
from monitor.config.sections import Duration


class SloConfig(CheckConfig):
    """Compares the share of good requests with an objective over a period."""

    kind: SkipJsonSchema[str] = "slo"
    signal: str
    """The signal, 0 to 1, that says which requests are bad."""
    objective: float = Field(gt=0, lt=1)
    """The share of requests that must not be bad by the signal, such as 0.99."""
    period: Duration = timedelta(days=30)
    """The time that the objective is for."""
    burn: Literal["page", "ticket", "any"] = "any"
    """Which burn rates count: page (1 h and 6 h), ticket (1 d and 3 d), or any."""
    min_samples: int | None = Field(None, ge=1)
    """Below this many the answer is inconclusive."""

    @model_validator(mode="before")
    @classmethod
    def _is_whole(cls, settings: dict[str, Any]) -> dict[str, Any]:
        if not {"signal", "objective"} <= set(settings):
            wanted = "an objective needs its signal: `- slo: {signal: failed, objective: 0.999}`"
            raise PydanticCustomError("check", wanted)
        return settings
