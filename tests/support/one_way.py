"""Fails a test in which an incident or an action is stored that `decide` and `plan_actions` have not returned."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from monitor.actions import digests as merging
from monitor.actions import plan_actions as planning
from monitor.alerting import decide as deciding
from monitor.alerting.decisions import Decisions
from monitor.core.action import Action

TABLES = ("incidents", "actions")
WITHOUT_DECISION = ("expired",)
"""Kinds of messages that follow from no finding: that nobody approved an effect in time."""


class OneWay:
    """Ids that were decided and planned, and the rows that were stored without."""

    def __init__(self) -> None:
        self.decided: set[str] = set()
        self.planned: set[str] = set()
        self.stored = 0
        self.violations: list[str] = []

    def note_decisions(self, decisions: Decisions) -> None:
        self.decided |= {one.incident.id for one in decisions.incidents}

    def note_plan(self, plan: planning.ActionPlan) -> None:
        breakers = plan.breakers.actions.values() if plan.breakers else ()
        self.planned |= {action.id for actions in (plan.actions, *breakers) for action in actions}

    def note_digest(self, digest: Action) -> None:
        self.planned.add(digest.id)

    def check(self, table: str, row: dict[str, Any]) -> None:
        """Check one row that is inserted."""
        self.stored += 1
        allowed = self.decided if table == "incidents" else self.planned
        if row["id"] not in allowed and row.get("kind") not in WITHOUT_DECISION:
            self.violations.append(f"{table}: {row}")


def recording(function: Callable[..., Any], note: Callable[[Any], None]) -> Callable[..., Any]:
    """Return the function, with everything that it returns noted."""

    def record(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        note(result)
        return result

    return record


def inserted_rows(context: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield table and values of the rows that a statement inserts into the tables of interest."""
    compiled = getattr(context, "compiled", None)
    statement = getattr(compiled, "statement", None)
    if not isinstance(statement, sa.Insert) or str(statement.table.name) not in TABLES:
        return
    for values in context.compiled_parameters:
        rows: dict[str, dict[str, Any]] = {}
        for name, value in values.items():
            column, _, place = name.rpartition("_m")
            rows.setdefault(place if place.isdigit() else "", {})[column if place.isdigit() else name] = value
        yield from ((str(statement.table.name), row) for row in rows.values() if "id" in row)


@pytest.fixture
def one_way(monkeypatch: pytest.MonkeyPatch) -> Iterator[OneWay]:
    """Watch what is stored while a test runs."""
    seen = OneWay()
    for original, note in (
        (deciding.decide, seen.note_decisions),
        (planning.plan_actions, seen.note_plan),
        (merging.plan_digest, seen.note_digest),
    ):
        for name, module in list(sys.modules.items()):
            if name.startswith("monitor.") and module.__dict__.get(original.__name__) is original:
                monkeypatch.setattr(module, original.__name__, recording(original, note))

    def look(_connection: Any, _cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool) -> None:  # noqa: FBT001
        for table, row in inserted_rows(context):
            seen.check(table, row)

    sa.event.listen(sa.Engine, "before_cursor_execute", look)
    yield seen
    sa.event.remove(sa.Engine, "before_cursor_execute", look)
    assert not seen.violations
