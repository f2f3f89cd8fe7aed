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
    """Service level objective: compares the share of good requests over a period with a target."""

    kind: SkipJsonSchema[str] = "slo"
    signal: str
    """Signal from 0 to 1 that is 1 for a bad request, such as `failed`."""
    objective: float = Field(gt=0, lt=1)
    """Required share of requests that are not bad, such as 0.99."""
    period: Duration = timedelta(days=30)
    """Period of the objective."""
    burn: Literal["page", "ticket", "any"] = "any"
    """Which burn rates alert: `page` (over 1 h and 6 h), `ticket` (over 1 d and 3 d), or `any`."""
    min_samples: int | None = Field(None, ge=1)
    """Minimum number of values on either side; with fewer the result is inconclusive."""

    @model_validator(mode="before")
    @classmethod
    def _is_whole(cls, settings: dict[str, Any]) -> dict[str, Any]:
        if not {"signal", "objective"} <= set(settings):
            wanted = "an slo check needs `signal:` and `objective:`: `- slo: {signal: failed, objective: 0.999}`"
            raise PydanticCustomError("check", wanted)
        return settings
