"""The section `savings:` of a monitor: other ways to answer the same requests, and what a retraining would cost."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from monitor.config.sections import Duration, Section

if TYPE_CHECKING:
    from detectors.cost.savings import Plan


class ConditionSpec(Section):
    """What a request must have: a number within bounds, or one of some words."""

    min: float | None = None
    """Least value."""
    max: float | None = None
    """Largest value."""
    values: list[str] = []
    """Words, one of which it must be."""

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
    """A model, and which requests it would answer."""

    model: str
    """Its name, as the log and the prices have it."""
    when: dict[str, Annotated[ConditionSpec, BeforeValidator(_condition)]] = {}
    """Columns or signals, and what each must be: `{input_tokens: {max: 800}, task: [classify]}`; by default any."""


class PlanSpec(Section):
    """Another way to answer the same requests."""

    name: str = Field(min_length=1, max_length=80)
    """As it is told."""
    model: str | None = None
    """One model for all requests."""
    route: list[TierSpec] = Field([], max_length=20)
    """Or tiers: a request goes to the first whose conditions all hold; where none does, it stays as it was."""

    @model_validator(mode="after")
    def _one_way(self) -> PlanSpec:
        if bool(self.model) == bool(self.route):
            raise PydanticCustomError("plan", "a plan is `model:`, one for all requests, or `route:`, a list of tiers")
        return self

    def plan(self) -> Plan:
        """Return the plan as it is counted."""
        from detectors.cost.savings import Condition, Plan, Tier

        if self.model:
            return Plan(self.name, (Tier(self.model),))
        tiers = [
            Tier(tier.model, tuple(Condition(name, c.min, c.max, tuple(c.values)) for name, c in tier.when.items()))
            for tier in self.route
        ]
        return Plan(self.name, tuple(tiers))


class RetrainingSpec(Section):
    """What a retraining would cost, and what it would save."""

    price: float = Field(gt=0)
    """Of one retraining, in the currency of the account."""
    error_cost: float = Field(gt=0)
    """Of one wrong answer."""
    measure: str = "accuracy"
    """`accuracy` of the check performance, or a signal whose rate is watched and is bad."""
    horizon: Duration = timedelta(days=30)
    """How long a retraining is taken to help."""


class Savings(Section):
    """What the same requests would have cost otherwise."""

    plans: list[PlanSpec] = Field([], max_length=10)
    """Ways to answer them; by default each of the five models that answered most, for all requests."""
    quality: str | None = None
    """Column or signal, 0 to 1, that says how good an answer was."""
    better: Literal["higher", "lower"] = "higher"
    """Which way it is good."""
    margin: float = Field(0.01, ge=0, lt=1)
    """Points that the quality may fall and still counts as no worse."""
    task: str | None = None
    """Column that says what kind of request it is: only requests of one task are comparable."""
    days: int = Field(30, ge=1, le=366)
    """Whole days, in UTC, that are looked at."""
    retraining: RetrainingSpec | None = None
    """What a retraining would cost and save."""

    @model_validator(mode="after")
    def _names(self) -> Savings:
        names = [plan.name for plan in self.plans]
        if len(set(names)) < len(names):
            raise PydanticCustomError("plans", "plans must have names of their own")
        return self
