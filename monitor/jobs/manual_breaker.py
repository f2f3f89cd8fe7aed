"""Set a circuit breaker manually, for a duration or until it is set again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from detectors.cost.breaker import Breaker, State, with_state
from monitor.actions.breaker_actions import plan_transition
from monitor.actions.breakers import SEVERITY, budget_column, silence_name
from monitor.alerting.muting import Muting
from monitor.config.breakers import BreakerSpec
from monitor.config.models import Config, ConfigError, Monitor
from monitor.config.sections import nearest
from monitor.store import breakers, outbox
from monitor.store.database import Connection
from monitor.store.silences import load_silences


@dataclass(frozen=True)
class ManualState:
    """A manual state of a breaker, with reason, user and duration."""

    state: State
    reason: str
    who: str
    length: timedelta | None


def find_breaker(config: Config, name: str, value: str) -> tuple[Monitor, BreakerSpec]:
    """Return the breaker with a name and its monitor; raise if ``value`` is missing or not applicable."""
    specs = {spec.name: (monitor, spec) for monitor in config.monitors for spec in monitor.breakers}
    if name not in specs:
        raise ConfigError(
            f"there is no breaker {name!r}. Configured: {', '.join(specs) or 'none'}.{nearest(name, list(specs))}"
        )
    by = budget_column(*specs[name])
    if bool(by) != bool(value):
        wanted = f"has a state per {by}: name it with --value" if by else "applies to all traffic: leave --value out"
        raise ConfigError(f"the breaker {name!r} {wanted}.")
    return specs[name]


def set_breaker(
    connection: Connection,
    config: Config,
    breaker: tuple[Monitor, BreakerSpec],
    value: str,
    manual: ManualState,
    now: datetime,
) -> datetime | None:
    """Open or close a breaker and plan its actions; return the end of the manual state, None if it has no end."""
    monitor, spec = breaker
    key = (spec.name, value)
    until = now + manual.length if manual.length else None
    before = breakers.load_breakers(connection, [spec.name]).get(key)
    after = with_state(
        before or Breaker("closed", now, "no state change yet"),
        manual.state,
        now,
        manual.reason,
        until=until if manual.state == "open" else None,
        who=manual.who,
        held_until=until,
    )
    if not breakers.put(connection, monitor.name, key, before, after):
        raise ConfigError(
            f"the breaker {spec.name!r} has just changed its state; see `driftd breakers list` and try again."
        )
    muting = Muting(monitor, load_silences(connection, monitor.name, now), now)
    if muting.find_reason(silence_name(spec), SEVERITY) is None:
        outbox.save_actions(connection, plan_transition(monitor, spec, value, after, config.receivers, now))
    return until
