"""Set a circuit breaker manually, for a duration or until it is set again."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from detectors.cost.breaker import Breaker, with_state
from monitor.actions.breaker_actions import plan_transition
from monitor.actions.breakers import SEVERITY, silence_name
from monitor.alerting.muting import Muting
from monitor.config.models import Config
from monitor.core.clock import Clock
from monitor.core.operation import AuditEntry, Author, RefusedOperation, SetBreaker
from monitor.store import breakers, outbox
from monitor.store.database import Connection, Database
from monitor.store.operations import perform
from monitor.store.silences import load_silences


def set_breaker(database: Database, config: Config, operation: SetBreaker, author: Author, clock: Clock) -> AuditEntry:
    """Open or close a breaker and plan its messages; return the entry of the audit log, with its end in the detail.

    Raises
    ------
    OperationError
        If it is refused.
    """
    change = partial(_change, config, operation, author.name.strip())
    return perform(database, operation, author, clock, change=change)


def _change(
    config: Config, operation: SetBreaker, who: str, connection: Connection, now: datetime
) -> dict[str, object]:
    monitor = config.monitor(operation.monitor)
    spec = next(one for one in monitor.breakers if one.name == operation.breaker)
    key = (spec.name, operation.value)
    until = now + operation.length if operation.length else None
    before = breakers.load_breakers(connection, [spec.name]).get(key)
    after = with_state(
        before or Breaker("closed", now, "no state change yet"),
        operation.state,
        now,
        operation.reason,
        until=until if operation.state == "open" else None,
        who=who,
        held_until=until,
    )
    if not breakers.put(connection, monitor.name, key, before, after):
        raise RefusedOperation(
            f"the breaker {spec.name!r} has just changed its state; see `driftd breakers list` and try again"
        )
    muting = Muting(monitor, load_silences(connection, monitor.name, now), now)
    if muting.find_reason(silence_name(spec), SEVERITY) is None:
        planned = plan_transition(monitor, spec, operation.value, after, config.receivers, now)
        outbox.save_actions(connection, planned)
    from_state = before.state if before else "closed"
    return {"from": from_state, "to": operation.state, "until": until.isoformat() if until else None}
