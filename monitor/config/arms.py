"""Sections of driftd.yaml for comparisons, and for what is not served traffic.

Experiments share the traffic, shadows answer the same requests.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from monitor.config.sections import Duration, Section, Time


class ComparedMetric(Section):
    """What is compared: a column or a signal."""

    column: str | None = None
    """The column or signal; by default the metric's own name."""
    per: str | None = None
    """Column that it is divided by, such as output_tokens: the ratio of the sums is compared."""
    equals: str | None = None
    """The value that counts as 1, any other as 0, for a column of words."""
    better: Literal["higher", "lower"] = "higher"
    """Which way is an improvement."""
    role: Literal["primary", "guardrail"] = "primary"
    """primary decides; a guardrail must not get worse by more than minimum."""
    minimum: float = Field(0.02, gt=0)
    """The smallest effect that matters, as a share of the control."""
    winsorize_above: float | None = None
    """A record with a larger value counts with this one, such as the 99 % quantile of the weeks before."""

    @model_validator(mode="after")
    def _numbers_are_winsorised(self) -> ComparedMetric:
        if self.winsorize_above is not None and self.equals is not None:
            raise PydanticCustomError("winsorize", "`winsorize_above:` is for numbers; leave it out beside `equals:`")
        return self


def _accept_bare_name(value: object) -> object:
    """Let a metric without settings be written without a colon."""
    if isinstance(value, list):
        return {str(name): {} for name in value}
    if isinstance(value, dict):
        return {name: {} if settings is None else settings for name, settings in value.items()}
    return value


Name = Annotated[str, Field(min_length=1, max_length=80)]
ArmValue = Annotated[str, Field(min_length=1, max_length=160)]
MetricName = Annotated[str, Field(min_length=1, max_length=40)]
Metrics = Annotated[dict[MetricName, ComparedMetric], BeforeValidator(_accept_bare_name)]


class Experiment(Section):
    """Arms that share the traffic between them."""

    name: Name
    """As it is told."""
    arm: Name = "model_version"
    """The column that says which arm a record is of."""
    control: ArmValue
    """The arm that the others are compared with."""
    treatments: list[ArmValue] = Field(min_length=1)
    """The arms that are compared; records of any other are left out."""
    unserved: list[ArmValue] = []
    """Treatments whose answers no user sees: their records enter this experiment and nothing else."""
    shares: dict[str, float] = {}
    """How traffic was meant to be split, by arm; by default evenly."""
    unit: str | None = None
    """The column that says whose record it is, where one user brings several."""
    before: str | None = None
    """A column known before the experiment began, such as the user's earlier mean, which takes noise out (CUPED)."""
    start: Time = Field(alias="from")
    """When it began."""
    end: Time | None = Field(None, alias="to")
    """When it ended; by default it has not."""
    metrics: Metrics
    """What is compared."""
    alpha: float = Field(0.05, gt=0, lt=0.5)
    """Chance of any false win or loss, ever, over all metrics and treatments."""
    planned: int | None = Field(None, ge=100)
    """Records of both arms where intervals are to be tightest; by default what the minimum of each metric needs."""
    do: list[str] = []
    """Receivers that get a message of every new verdict. What acts on a loss is a rule: `when: [experiment]`."""

    @model_validator(mode="after")
    def _consistent(self) -> Experiment:
        arms = self.arms
        if len(set(arms)) < len(arms):
            raise PydanticCustomError("arms", "the control and the treatments must be different arms")
        if self.shares and (set(self.shares) != set(arms) or min(self.shares.values()) <= 0):
            raise PydanticCustomError("arms", "`shares:` must give every arm, and no other, a share above 0")
        if unknown := [arm for arm in self.unserved if arm not in self.treatments]:
            reason = "`unserved:` names '{arm}', which is not among `treatments:`"
            raise PydanticCustomError("arms", reason, {"arm": unknown[0]})
        if self.end is not None and self.end <= self.start:
            raise PydanticCustomError("arms", "`from` must be earlier than `to`")
        if not any(metric.role == "primary" for metric in self.metrics.values()):
            raise PydanticCustomError("arms", "at least one metric must be primary: it decides")
        return self

    @property
    def arms(self) -> list[str]:
        """Return the control and the treatments."""
        return [self.control, *self.treatments]

    @property
    def unserved_arms(self) -> list[str]:
        """Return the arms whose answers no user sees."""
        return self.unserved

    def share(self, arm: str) -> float:
        """Return the weight of an arm's traffic."""
        return self.shares.get(arm, 1.0)


class Shadow(Section):
    """A challenger that answers the same requests as the champion, unseen: its records enter this and nothing else."""

    name: Name
    """As it is told."""
    arm: Name = "model_version"
    """The column that says who answered."""
    champion: ArmValue
    """Whose answers are given."""
    challenger: ArmValue
    """Whose answers are only logged."""
    join: str
    """The column that both records of a request share."""
    within: Duration = Field(timedelta(minutes=5), ge=timedelta(0), le=timedelta(days=1))
    """How far apart the two records of a request may lie; one whose other side is further away has none."""
    answer: str = "response"
    """The column that is compared for agreement."""
    same: Literal["exact", "numeric", "json", "semantic"] = "exact"
    """When answers agree: as texts, as numbers, as JSON leaf by leaf, or in meaning (static embeddings)."""
    tolerance: float = Field(1e-6, ge=0, lt=1)
    """For numeric and json: the relative difference up to which numbers agree."""
    similar: float = Field(0.8, gt=0, le=1)
    """For semantic: the cosine from which answers agree."""
    min_agreement: float | None = Field(None, gt=0, le=1)
    """The share of answers that must agree; less than that beyond doubt is a finding that a rule may watch."""
    start: Time = Field(alias="from")
    """When it began."""
    end: Time | None = Field(None, alias="to")
    """When it ended; by default it has not."""
    metrics: Metrics = {}
    """What is compared within each request."""
    alpha: float = Field(0.05, gt=0, lt=0.5)
    """Chance that any interval ever misses."""
    do: list[str] = []
    """Receivers that get a message of every new conclusion, as of an experiment's verdict."""

    @model_validator(mode="after")
    def _consistent(self) -> Shadow:
        if self.champion == self.challenger:
            raise PydanticCustomError("arms", "champion and challenger must be different")
        if self.end is not None and self.end <= self.start:
            raise PydanticCustomError("arms", "`from` must be earlier than `to`")
        return self

    @property
    def unserved_arms(self) -> list[str]:
        """Return the arms whose answers no user sees."""
        return [self.challenger]

    def overlaps(self, other: Shadow) -> bool:
        """Say whether two shadows run at the same time."""
        return (other.end is None or self.start < other.end) and (self.end is None or other.start < self.end)


TrafficRole = Literal["evaluation", "probe"]
"""Why a record is no served traffic, other than being of a comparison's arm."""


class TrafficMark(Section):
    """What marks the records of calls that are not users' own; they enter nothing."""

    column: Name
    """Logged column that says so."""
    values: list[ArmValue] = Field(min_length=1)
    """Its values that do."""
