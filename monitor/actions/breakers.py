"""Evaluate the circuit breakers of a monitor at the end of a bucket."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from detectors.cost.breaker import Breaker, BreakerObservation, observe_budget, observe_rate, step
from detectors.cost.budget import PERIODS, SpendTotals, bounds
from detectors.cost.ledger import MISSING, OTHER
from monitor.actions.breaker_actions import plan_transition
from monitor.config.checks import SpendConfig
from monitor.config.models import Monitor
from monitor.config.money import BreakerSpec
from monitor.config.receivers import ReceiverConfig
from monitor.core.action import Action
from monitor.core.incident import Decision, Incident
from monitor.core.schedule import Bucket
from monitor.profiling.spend import SpendState

Key = tuple[str, str]
"""Name of a breaker, and the value of `by:` that it covers; an empty value is all traffic."""
SPREAD = timedelta(seconds=2)
"""Time from a decision until every replica answers accordingly: a commit, and one read per second."""
SEVERITY = "critical"
"""Label `severity` of a breaker in silences."""
MOST_OPENED = 200
"""Maximum number of values of a breaker that open in one bucket; further values open in the next buckets."""


@dataclass(frozen=True)
class BreakerInput:
    """Data that the breakers of a monitor are evaluated against.

    Parameters
    ----------
    states
        The breakers that are not closed, or were open before.
    spending
        Costs up to the end of the bucket; None without budgets.
    rates
        Sum and count of each signal over the bucket.
    firing
        Rules that have a firing incident.
    silenced
        Silenced breakers, which send no messages. A breaker that is not closed when the silence ends is announced
        then: its messages are planned at every bucket and stored once, as their ids do not change.
    """

    states: Mapping[Key, Breaker] = field(default_factory=dict)
    spending: SpendState | None = None
    rates: Mapping[str, tuple[float, int]] = field(default_factory=dict)
    firing: frozenset[str] = frozenset()
    silenced: Collection[str] = ()


@dataclass(frozen=True)
class BreakerUpdate:
    """State changes of the breakers of a monitor by a bucket, and the actions of each change."""

    at: datetime
    names: Sequence[str] = ()
    before: Mapping[Key, Breaker | None] = field(default_factory=dict)
    after: Mapping[Key, Breaker] = field(default_factory=dict)
    actions: Mapping[Key, Sequence[Action]] = field(default_factory=dict)


def evaluate_breakers(
    monitor: Monitor, bucket: Bucket, inputs: BreakerInput, receivers: Mapping[str, ReceiverConfig], now: datetime
) -> BreakerUpdate:
    """Evaluate all circuit breakers of a monitor against a finished bucket.

    Parameters
    ----------
    now
        Time of the source's clock. Costs since the end of the bucket are extrapolated to it, plus ``SPREAD``.
    """
    before: dict[Key, Breaker | None] = {}
    after: dict[Key, Breaker] = {}
    actions: dict[Key, Sequence[Action]] = {}
    for spec in monitor.breakers:
        for value, observation in observe_breaker(monitor, spec, bucket, inputs, now).items():
            key = (spec.name, value)
            stored = inputs.states.get(key)
            current = stored or Breaker("closed", bucket.end, "no state change yet")
            following = step(current, observation, bucket.end, spec.open_for, renews=spec.renews)
            if following != current:
                before[key], after[key] = stored, following
            moves = following.number != current.number
            if spec.name not in inputs.silenced and (moves or following.state != "closed"):
                actions[key] = plan_transition(monitor, spec, value, following, receivers, now)
    return BreakerUpdate(bucket.end, [spec.name for spec in monitor.breakers], before, after, actions)


def observe_breaker(
    monitor: Monitor, spec: BreakerSpec, bucket: Bucket, inputs: BreakerInput, now: datetime
) -> dict[str, BreakerObservation]:
    """Return the observations of a breaker by value, for values that exceed the limit or are not closed."""
    states, spending = inputs.states, inputs.spending
    if spec.rule is not None:
        return {"": _rule(monitor, spec, states.get((spec.name, "")), bucket, inputs.firing)}
    if spec.rate is not None and spec.above is not None:
        (total, count), stored = inputs.rates.get(spec.rate, (0.0, 0)), states.get((spec.name, ""))
        needed = spec.min_probes if stored is not None and stored.state == "half_open" else spec.min_samples
        return {"": observe_rate(spec.rate, total / max(count, 1), count, spec.above, needed)}
    check = monitor.find_budget(str(spec.budget))
    if check is None or spending is None or spending.bill.total is None:
        return {"": BreakerObservation(None, "no column has the cost of requests")}
    late = min(max(now - bucket.end, timedelta(0)) + SPREAD, monitor.bucket) / monitor.bucket
    if not check.by:
        return {"": _budget(check, None, spending, late + spec.ahead)}
    waiting = {value for name, value in states if name == spec.name and value and states[name, value].state != "closed"}
    values = _values(check, spending) | waiting
    measured = {value: _budget(check, value, spending, late + spec.ahead) for value in values}
    opening = sorted(value for value, each in measured.items() if each.bad and value not in waiting)[:MOST_OPENED]
    return {value: each for value, each in measured.items() if value in waiting or value in opening}


def _values(check: SpendConfig, spending: SpendState) -> set[str]:
    starts = {bounds(spending.end, period, check.zone)[0] for period in PERIODS}
    values = {value for start in starts for value in spending.values.get((str(check.by), start), {})}
    return values - {MISSING, OTHER}


def _budget(check: SpendConfig, value: str | None, spending: SpendState, ahead: float) -> BreakerObservation:
    """Return the observation of the exhausted budget with the latest end, else of the first budget."""
    observations = []
    for period in PERIODS:
        budget = check.budget(period, value)
        if budget is None:
            continue
        start, end = bounds(spending.end, period, check.zone)
        if value is None:
            spent, newest = spending.since[start], spending.bill.total
        else:
            spent = spending.values[str(check.by), start].get(value, SpendTotals())
            newest = spending.bill.parts.get((str(check.by), value))
        pace = newest.amount if newest else 0.0
        observations.append(observe_budget(period, spent, budget, pace, ahead, end, check.currency))
    gone = [one for one in observations if one.bad]
    if gone:
        return max(gone, key=lambda one: one.until or spending.end)
    return observations[0] if observations else BreakerObservation(False, "no budget is configured")


def _rule(
    monitor: Monitor, spec: BreakerSpec, stood: Breaker | None, bucket: Bucket, firing: frozenset[str]
) -> BreakerObservation:
    """Observe whether a rule is firing; while half-open, only once the whole window is after the first probes."""
    if spec.rule not in firing:
        return BreakerObservation(False, f"no incident of {spec.rule} is firing")
    if stood is not None and stood.state == "half_open" and bucket.end - stood.since < monitor.window:
        return BreakerObservation(
            None, f"the window still includes traffic from before the probes; an incident of {spec.rule} is firing"
        )
    return BreakerObservation(True, f"an incident of {spec.rule} is firing")


def firing_after(standing: Iterable[Incident], decisions: Sequence[Decision]) -> frozenset[str]:
    """Return the rules that have a firing incident after the decisions about a bucket."""
    after = {incident.id: incident for incident in standing}
    after |= {decision.incident.id: decision.incident for decision in decisions}
    return frozenset(name for incident in after.values() for name in incident.firing_rules)


def silence_name(spec: BreakerSpec) -> str:
    """Return the label `rule` of a breaker in silences."""
    return f"breaker.{spec.name}"
