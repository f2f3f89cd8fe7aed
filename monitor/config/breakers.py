"""Section `breakers:` of driftd.yaml: circuit breakers, when they open, and how they close."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from monitor.config.sections import Duration, Section


class BreakerSpec(Section):
    """A circuit breaker that applications query before a request: `POST /api/v1/breakers/NAME`; GET is read-only."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")
    """Name in the URL, in metrics and messages; unique in the file."""
    budget: str | None = None
    """Opens when a budget of this `spend` check is exhausted, until its period ends; with `by:`, per value."""
    rate: str | None = None
    """Opens when the mean of this signal over a bucket, such as `failed` or `hallucinated`, exceeds `above:`."""
    above: float | None = Field(None, gt=0, lt=1)
    """For `rate`: upper limit of the mean."""
    rule: str | None = None
    """Opens while an incident of this rule is firing."""
    min_samples: int = Field(20, ge=1)
    """For `rate`: minimum number of requests in a bucket to open."""
    min_probes: int = Field(5, ge=1)
    """For `rate`: minimum number of requests in a bucket to close again."""
    ahead: float = Field(0.0, ge=0, le=10)
    """For `budget`: buckets to extrapolate at the current rate; 1 opens one bucket before the budget is exhausted."""
    open_for: Duration = Field(timedelta(minutes=5), gt=timedelta(0))
    """For `rate` and `rule`: time it stays open before it becomes half-open."""
    probes: Annotated[float, Field(gt=0)] = 0.05
    """For `rate` and `rule`: requests allowed while half-open: a share below 1, or a number per bucket and process."""
    on_unknown: Literal["open", "closed"] = "closed"
    """State returned when there is no recent data: `closed` allows requests (fail open), `open` refuses them."""
    unknown_after: Duration | None = None
    """Age from which data is too old to decide; default: three buckets and the delay until a bucket is computed."""
    do: list[str] = []
    """Receivers that get a message about every state change."""

    @property
    def renews(self) -> bool:
        """Return whether the breaker closes when a new budget period begins."""
        return self.budget is not None

    @model_validator(mode="after")
    def _one_cause(self) -> BreakerSpec:
        if sum(cause is not None for cause in (self.budget, self.rate, self.rule)) != 1:
            raise PydanticCustomError("breaker", "give exactly one of `budget:`, `rate:` and `rule:`")
        if (self.rate is None) != (self.above is None):
            raise PydanticCustomError("breaker", "`rate:` and `above:` go together: `{rate: failed, above: 0.2}`")
        if self.probes > 1 and self.probes != int(self.probes):
            raise PydanticCustomError("breaker", "`probes:` is a share below 1, or a whole number of requests a bucket")
        return self
