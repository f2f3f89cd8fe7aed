"""Search incidents: by state, monitor, severity and text, the open and worst ones first."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.core.incident import Incident
from monitor.store.rows import read_all
from monitor.store.tables import incidents

OPEN = ("pending", "firing")
_STATE_ORDER = sa.case({"firing": 0, "pending": 1}, value=incidents.c.state, else_=2)
_SEVERITY_ORDER = sa.case(
    (incidents.c.state == "resolved", 3),
    (incidents.c.severity == "critical", 0),
    (incidents.c.severity == "warning", 1),
    else_=2,
)


@dataclass(frozen=True)
class IncidentFilter:
    """What incidents to show.

    Parameters
    ----------
    monitors
        Names of the monitors whose incidents are visible.
    states
        Empty: all states.
    text
        Part of the id, monitor, rule, reason or suspect, in any case.
    """

    monitors: Collection[str]
    states: Sequence[str] = ()
    severity: str = ""
    text: str = ""


def search_incidents(connection: Connection, wanted: IncidentFilter, most: int, offset: int = 0) -> list[Incident]:
    """Return incidents: firing before pending before resolved, then by severity, then the newest."""
    query = sa.select(incidents).where(*_conditions(wanted))
    query = query.order_by(_STATE_ORDER, _SEVERITY_ORDER, incidents.c.opened_at.desc(), incidents.c.id)
    return read_all(connection, Incident, query.limit(most).offset(offset))


def count_incidents(connection: Connection, wanted: IncidentFilter) -> dict[str, int]:
    """Return the number of incidents by state; the states of the filter are ignored."""
    conditions = _conditions(replace(wanted, states=()))
    query = sa.select(incidents.c.state, sa.func.count()).where(*conditions).group_by(incidents.c.state)
    return {str(state): int(count) for state, count in connection.execute(query)}


def count_firing(connection: Connection, monitors: Collection[str]) -> int:
    """Return the number of firing incidents of monitors."""
    query = sa.select(sa.func.count()).where(incidents.c.state == "firing", incidents.c.monitor.in_(sorted(monitors)))
    return int(connection.execute(query).scalar_one())


def _conditions(wanted: IncidentFilter) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = [incidents.c.monitor.in_(sorted(wanted.monitors))]
    if wanted.states:
        conditions.append(incidents.c.state.in_(wanted.states))
    if wanted.severity:
        conditions.append(incidents.c.severity == wanted.severity)
    if wanted.text:
        texts = (incidents.c.id, incidents.c.monitor, incidents.c.rule, incidents.c.reason)
        suspect = sa.cast(incidents.c.suspected_change, sa.Text)
        conditions.append(sa.or_(*(_contains(column, wanted.text) for column in (*texts, suspect))))
    return conditions


def _contains(column: sa.ColumnElement[str], text: str) -> sa.ColumnElement[bool]:
    return sa.func.lower(column).contains(text.lower(), autoescape=True)
