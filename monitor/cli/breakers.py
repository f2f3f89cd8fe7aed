"""`driftd breakers`: how they stand, and setting one by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from detectors.cost.breaker import Breaker, State, with_state
from monitor.actions.breakers import effects, silence_name
from monitor.cli.factory import open_store
from monitor.cli.output import echo, print_json, print_table
from monitor.config.breakers import BreakerSpec
from monitor.config.models import Config, ConfigError, Monitor
from monitor.config.sections import nearest
from monitor.core.clock import Clock, SystemClock
from monitor.core.plain import plain
from monitor.store import breakers, incidents, outbox
from monitor.web.breakers import budget_column


def list_all(config: Config, *, as_json: bool) -> None:
    """Print every breaker, those that are not closed first."""
    names = [spec.name for monitor in config.monitors for spec in monitor.breakers]
    with open_store(config) as database, database.read() as connection:
        rows = breakers.rows(connection, names)
        recent = {name: breakers.transitions(connection, name, 10) for name in names}
    hidden = ("counts", "as_of")
    told: list[dict[str, Any]] = [{k: v for k, v in vars(row).items() if k not in hidden} for row in rows]
    told += [{"name": name, "state": "closed", "reason": "no bucket yet"} for name in names if not _has(rows, name)]
    if as_json:
        print_json(plain({"breakers": told, "transitions": {n: [vars(r) for r in recent[n]] for n in names}}))
        return
    shown = ("name", "value", "state", "since", "until", "who", "reason")
    print_table(shown, [[row.get(name) for name in shown] for row in told], "no breakers are configured")


def _has(rows: list[Any], name: str) -> bool:
    return any(row.name == name for row in rows)


def set_by_hand(
    config: Config,
    name: str,
    value: str,
    state: State,
    reason: str,
    who: str,
    length: timedelta | None,
    clock: Clock | None = None,
) -> None:
    """Open or close a breaker for a while, or until it is set again; receivers are told as of any transition."""
    monitor, spec = find(config, name)
    by = budget_column(monitor, spec)
    if bool(by) != bool(value):
        wanted = f"is kept by {by}: say which with --value" if by else "stands for all traffic: leave --value out"
        raise ConfigError(f"the breaker {name!r} {wanted}.")
    now = (clock or SystemClock()).now()
    until = now + length if length else None
    key = (name, value)
    with open_store(config) as database, database.write() as connection:
        before = breakers.standing(connection, [name]).get(key)
        fresh = before or Breaker("closed", now, "nothing has happened yet")
        after = with_state(
            fresh, state, now, reason, until=until if state == "open" else None, who=who, held_until=until
        )
        if not breakers.put(connection, monitor.name, key, before, after):
            raise ConfigError(f"the breaker {name!r} has just moved; look at `driftd breakers list` and try again.")
        if incidents.find_silence(connection, monitor.name, silence_name(spec), now) is None:
            outbox.save_actions(connection, effects(monitor, spec, value, after, config.receivers, now))
    ends = until.isoformat() if until else "it is set again"
    echo(f"{name}{f' for {value}' if value else ''} is {state} until {ends}")


def find(config: Config, name: str) -> tuple[Monitor, BreakerSpec]:
    """Return a breaker and its monitor by name."""
    held = {spec.name: (monitor, spec) for monitor in config.monitors for spec in monitor.breakers}
    if name not in held:
        raise ConfigError(
            f"there is no breaker {name!r}. Configured: {', '.join(held) or 'none'}.{nearest(name, list(held))}"
        )
    return held[name]
