"""Sections `experiments:` and `shadows:` of driftd.yaml.

The arms of an experiment share the traffic; the challenger of a shadow answers the same requests as the champion.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from monitor.config.sections import Duration, Section, Time


class ComparedMetric(Section):
    """A metric: a column or a signal, compared between arms."""

    column: str | None = None
    """Column or signal; default: the name of the metric."""
    per: str | None = None
    """Column to divide by, such as output_tokens: the ratio of the sums is compared."""
    equals: str | None = None
    """For a categorical column: value that counts as 1; all others count as 0."""
    better: Literal["higher", "lower"] = "higher"
    """Whether `higher` or `lower` is better."""
    role: Literal["primary", "guardrail"] = "primary"
    """`primary` decides the verdict; a `guardrail` must not get worse by more than `minimum`."""
    minimum: float = Field(0.02, gt=0)
    """Smallest effect that matters, relative to the control."""
    winsorize_above: float | None = None
    """Larger values count as this one, such as the 99 % quantile of earlier weeks."""

    @model_validator(mode="after")
    def _numbers_are_winsorised(self) -> ComparedMetric:
        if self.winsorize_above is not None and self.equals is not None:
            raise PydanticCustomError("winsorize", "`winsorize_above:` is for numbers; leave it out beside `equals:`")
        return self


def _accept_bare_name(value: object) -> object:
    """Accept a list of metrics without settings, and null as empty settings."""
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
    """An A/B test: arms that share the traffic."""

    name: Name
    """Name in messages, metrics and reports."""
    arm: Name = "model_version"
    """Column with the arm of a record."""
    control: ArmValue
    """Arm that the others are compared with."""
    treatments: list[ArmValue] = Field(min_length=1)
    """Arms that are compared with the control; records of other arms are ignored."""
    unserved: list[ArmValue] = []
    """Treatments whose answers are not shown to users: their records count in this experiment only."""
    shares: dict[str, float] = {}
    """Intended share of the traffic of each arm; default: equal shares."""
    unit: str | None = None
    """Column with the unit of randomisation, such as a user, if one has several records."""
    before: str | None = None
    """Covariate from before the experiment, such as the user's earlier mean, for variance reduction (CUPED)."""
    start: Time = Field(alias="from")
    """Start."""
    end: Time | None = Field(None, alias="to")
    """End; default: still running."""
    metrics: Metrics
    """Metrics that are compared."""
    alpha: float = Field(0.05, gt=0, lt=0.5)
    """Probability of any false win or loss at any time, over all metrics and treatments."""
    planned: int | None = Field(None, ge=100)
    """Planned number of records of both arms, where intervals are narrowest; default: from `minimum` of the metrics."""
    do: list[str] = []
    """Receivers that get a message about every new verdict. To act on a loss, add a rule with `when: [experiment]`."""

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
        """Return the arms whose answers are not shown to users."""
        return self.unserved

    @property
    def challengers(self) -> list[str]:
        """Return the arms that may be marked as unserved by `traffic:`."""
        return self.treatments

    def share(self, arm: str) -> float:
        """Return the intended share of traffic of an arm, relative to the other arms."""
        return self.shares.get(arm, 1.0)


class Shadow(Section):
    """A shadow deployment: a challenger also answers the champion's requests; its records count only here."""

    name: Name
    """Name in messages, metrics and reports."""
    arm: Name = "model_version"
    """Column with the model or version that answered."""
    champion: ArmValue
    """Value of `arm` whose answers users get."""
    challenger: ArmValue
    """Value of `arm` whose answers are only logged."""
    join: str
    """Column with the same value in both records of a request."""
    within: Duration = Field(timedelta(minutes=5), ge=timedelta(0), le=timedelta(days=1))
    """Maximum time between the two records of a request; records further apart are not paired."""
    answer: str = "response"
    """Column that is compared for agreement."""
    same: Literal["exact", "numeric", "json", "semantic"] = "exact"
    """How answers are compared: `exact` text, `numeric`, `json` leaf by leaf, or `semantic` (static embeddings)."""
    tolerance: float = Field(1e-6, ge=0, lt=1)
    """For `numeric` and `json`: relative difference up to which numbers agree."""
    similar: float = Field(0.8, gt=0, le=1)
    """For `semantic`: cosine similarity from which answers agree."""
    min_agreement: float | None = Field(None, gt=0, le=1)
    """Required share of answers that agree; a significantly smaller share is a finding that rules can match."""
    start: Time = Field(alias="from")
    """Start."""
    end: Time | None = Field(None, alias="to")
    """End; default: still running."""
    metrics: Metrics = {}
    """Metrics that are compared within each pair."""
    alpha: float = Field(0.05, gt=0, lt=0.5)
    """Probability that any interval at any time misses the true value."""
    do: list[str] = []
    """Receivers that get a message about every new verdict."""

    @model_validator(mode="after")
    def _consistent(self) -> Shadow:
        if self.champion == self.challenger:
            raise PydanticCustomError("arms", "champion and challenger must be different")
        if self.end is not None and self.end <= self.start:
            raise PydanticCustomError("arms", "`from` must be earlier than `to`")
        return self

    @property
    def unserved_arms(self) -> list[str]:
        """Return the arms whose answers are not shown to users."""
        return [self.challenger]

    @property
    def challengers(self) -> list[str]:
        """Return the arms that may be marked as unserved by `traffic:`."""
        return [self.challenger]

    def overlaps(self, other: Shadow) -> bool:
        """Return whether two shadows run at the same time."""
        return (other.end is None or self.start < other.end) and (self.end is None or other.start < self.end)
