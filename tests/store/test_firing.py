"""Which monitors fire at the same time: read from the store, in the snapshot of every bucket."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from monitor.core.firing import FiringMonitors
from monitor.core.incident import Decision, Incident, IncidentState
from monitor.store import incidents
from monitor.store.database import Database, now
from monitor.store.firing import WATCHED_FOR, load_firing
from monitor.store.history import load_history
from monitor.store.watches import save_watch
from tests.support.decisions import BUCKET, MINUTE, START, monitor_of


def save(database: Database, number: int, monitor: str, state: IncidentState, fired_after: timedelta) -> None:
    fired_at = None if state == "pending" else START + fired_after
    incident = Incident(f"i-{number}", monitor, "anything", "warning", state, START, START, "novelty rose")
    with database.write() as connection:
        incidents.save_decision(connection, Decision(replace(incident, fired_at=fired_at), state, "novelty rose"))


def test_the_firing_incidents_of_all_monitors_are_counted(database: Database) -> None:
    for number, (monitor, state) in enumerate(
        [("a", "firing"), ("a", "firing"), ("b", "firing"), ("c", "firing"), ("d", "pending"), ("e", "resolved")]
    ):
        save(database, number, monitor, state, number * MINUTE)  # type: ignore[arg-type]
    with database.write() as connection:
        for monitor in "abcde":
            save_watch(connection, monitor)
        removed = now(connection) - WATCHED_FOR - MINUTE
        save_watch(connection, "removed", seen_at=removed)
    with database.read() as connection:
        firing = load_firing(connection)
        history = load_history(connection, monitor_of(), BUCKET)
    assert history.firing == firing
    assert (firing.incidents, firing.watched) == (4, 5)
    assert firing.fired_at == {"a": START + MINUTE, "b": START + 2 * MINUTE, "c": START + 3 * MINUTE}
    assert firing.list_since(START + 2 * MINUTE) == ["b", "c"]
    assert firing.are_most(START)
    assert not firing.are_most(START + 2 * MINUTE)


def test_half_of_the_monitors_are_not_most() -> None:
    fired_at = dict.fromkeys("abc", START)
    assert not FiringMonitors(fired_at, 3, watched=6).are_most(START)
    assert FiringMonitors(fired_at, 3, watched=5).are_most(START)
