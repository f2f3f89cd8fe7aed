"""Sections `breakers:` and `savings:` of a monitor: what limits spending, and what alternative models would cost."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from monitor.config.sections import Duration, Section

if TYPE_CHECKING:
    from detectors.cost.savings import Plan


class ConditionSpec(Section):
    """A condition: a range of numbers, or a list of allowed values."""

    min: float | None = None
    """Minimum."""
    max: float | None = None
    """Maximum."""
    values: list[str] = []
    """Allowed values."""

    @model_validator(mode="after")
    def _one_kind(self) -> ConditionSpec:
        if bool(self.values) == (self.min is not None or self.max is not None):
            raise PydanticCustomError("condition", "a condition has `min:` or `max:` or both, or else a list of words")
        return self


def _condition(value: object) -> object:
    if isinstance(value, list):
        return {"values": [str(word) for word in value]}
    return {"values": [str(value)]} if isinstance(value, str | bool) else value


class TierSpec(Section):
    """A model, and the requests that are routed to it."""

    model: str
    """Name of the model, as in the records and the price list."""
    when: dict[str, Annotated[ConditionSpec, BeforeValidator(_condition)]] = {}
    """Conditions on columns or signals, such as `{input_tokens: {max: 800}, task: [classify]}`; default: none."""


class PlanSpec(Section):
    """An alternative: other models for the same requests."""

    name: str = Field(min_length=1, max_length=80)
    """Name in messages, metrics and reports."""
    model: str | None = None
    """Model for all requests."""
    route: list[TierSpec] = Field([], max_length=20)
    """Instead of `model`: a list of tiers; a request is routed to the first tier whose conditions it meets, if any."""

    @model_validator(mode="after")
    def _one_way(self) -> PlanSpec:
        if bool(self.model) == bool(self.route):
            raise PydanticCustomError("plan", "a plan is `model:`, one for all requests, or `route:`, a list of tiers")
        return self

    def plan(self) -> Plan:
        """Return the plan for :mod:`detectors.cost.savings`."""
        from detectors.cost.savings import Condition, Plan, Tier

        if self.model:
            return Plan(self.name, (Tier(self.model),))
        tiers = [
            Tier(tier.model, tuple(Condition(name, c.min, c.max, tuple(c.values)) for name, c in tier.when.items()))
            for tier in self.route
        ]
        return Plan(self.name, tuple(tiers))


class RetrainingSpec(Section):
    """Costs that decide whether a retraining pays."""

    price: float = Field(gt=0)
    """Cost of one retraining, in the currency of the price list."""
    error_cost: float = Field(gt=0)
    """Cost of one wrong answer."""
    measure: str = "accuracy"
    """What counts as wrong: `accuracy` of the check `performance`, or a signal with a `rate` check."""
    horizon: Duration = timedelta(days=30)
    """Time for which a retraining is assumed to help."""


class Savings(Section):
    """Estimates of the cost of the same requests on other models."""

    plans: list[PlanSpec] = Field([], max_length=10)
    """Alternatives; default: each of the five most used models for all requests."""
    quality: str | None = None
    """Column or signal from 0 to 1 with the quality of an answer."""
    better: Literal["higher", "lower"] = "higher"
    """Whether `higher` or `lower` is better."""
    margin: float = Field(0.01, ge=0, lt=1)
    """Accepted decrease of the mean quality, such as 0.01 for one percentage point."""
    task: str | None = None
    """Column with the kind of a request; only requests of the same kind are compared."""
    days: int = Field(30, ge=1, le=366)
    """Number of whole days (UTC) to read."""
    retraining: RetrainingSpec | None = None
    """Estimates whether a retraining pays."""

    @model_validator(mode="after")
    def _names(self) -> Savings:
        names = [plan.name for plan in self.plans]
        if len(set(names)) < len(names):
            raise PydanticCustomError("plans", "names of plans must be unique")
        return self


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
