"""Circuit breakers in driftd.yaml: what trips one, and what is answered to those who ask."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from monitor.config.sections import Duration, Section


class BreakerSpec(Section):
    """A switch that applications ask before they send a request: `POST /api/v1/breakers/NAME`; a GET only looks."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")
    """Name in the address, in metrics and messages; unique in the file."""
    budget: str | None = None
    """Trips when a budget of this `spend` check is gone, until its period ends; with `by:`, each value by itself."""
    rate: str | None = None
    """Trips when the mean of this signal over a bucket, such as `failed` or `hallucinated`, is above `above:`."""
    above: float | None = Field(None, gt=0, lt=1)
    """For rate: the mean that is still allowed."""
    rule: str | None = None
    """Trips while an incident of this rule fires."""
    min_samples: int = Field(20, ge=1)
    """For rate: requests of a bucket that are needed to open."""
    min_probes: int = Field(5, ge=1)
    """For rate: requests of a bucket that are needed to close again."""
    ahead: float = Field(0.0, ge=0, le=10)
    """For budget: buckets at the newest one's pace that are looked ahead; 1 opens before the budget is gone."""
    open_for: Duration = Field(timedelta(minutes=5), gt=timedelta(0))
    """For rate and rule: how long it stays open before probes are let through."""
    probes: Annotated[float, Field(gt=0)] = 0.05
    """For rate and rule: what is let through while half-open: a share below 1, or a number a bucket and process."""
    on_unknown: Literal["open", "closed"] = "closed"
    """What is answered when too little is known: closed lets requests through (fail open), open refuses them."""
    unknown_after: Duration | None = None
    """Age from which knowledge is too old to count; by default three buckets and the time of sealing."""
    do: list[str] = []
    """Receivers that get a message of every transition."""

    @property
    def renews(self) -> bool:
        """Say whether a new period closes it."""
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
