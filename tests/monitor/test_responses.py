"""Acknowledging, assigning and commenting: what is stored and refused, and what people get afterwards."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.actions.incident_actions import plan_incidents
from monitor.actions.plan_context import PlanContext
from monitor.alerting.decisions import Decisions
from monitor.alerting.messages.render import render
from monitor.alerting.responses import is_acknowledged, respond, summarize_responses
from monitor.core.action import Action, AlertHistory, PastAction
from monitor.core.incident import Decision, Incident
from monitor.core.incident_response import Handling, IncidentResponse
from monitor.core.operation import (
    Acknowledge,
    AddSilence,
    Assign,
    Author,
    Comment,
    Operation,
    OperationError,
    RefusedOperation,
    check_texts,
)
from monitor.core.payload import FurtherChange
from monitor.core.schedule import Bucket
from monitor.store import audit, incidents, migrate
from monitor.store.database import Database
from monitor.store.operations import perform
from tests.support import prefork
from tests.support.decisions import HOUR, MINUTE, SLACK, START, incident_of, monitor_of
from tests.support.hand import Hand

ANN = Author("ann", "cli", "responder")
ID = "37b0aaaa-0000-4000-8000-000000000001"
FILE = """\
store: sqlite:///driftd.db
monitors:
  - {name: bot, source: {url: "sqlite:///log.db", table: log, columns: {timestamp: at}}}
"""


def acknowledged(at: datetime = START + MINUTE, severity: str = "critical") -> Handling:
    return Handling(at, "ann", severity)


def changed(at: datetime) -> FurtherChange:
    return {"at": at.isoformat(), "checks": [], "columns": [], "reason": "rose again", "suspected_change": None}


def test_a_response_states_the_severity_then_and_the_assignee() -> None:
    incident = incident_of()
    assert respond(incident, Acknowledge("i-1")) == {"severity": "critical"}
    assert respond(incident, Assign("i-1", " ben ")) == {"severity": "critical", "assignee": "ben"}
    assert respond(incident_of(state="resolved"), Comment("i-1", reason="it was the provider"))
    with pytest.raises(RefusedOperation, match="only an open incident can be acknowledged"):
        respond(incident_of(state="resolved"), Acknowledge("i-1"))


@pytest.mark.parametrize(
    ("operation", "author", "sentence"),
    [
        (Acknowledge("i-1"), replace(ANN, name=" "), "the name of who responds is missing"),
        (Comment("i-1", reason=" "), ANN, "the comment is empty"),
        (Assign("i-1", " "), ANN, "the name of the assignee is missing"),
        (Assign("i-1", "x" * 129), ANN, "at most 128 characters"),
        (Acknowledge("i-1"), replace(ANN, name="x" * 129), "at most 128 characters"),
        (Comment("i-1", reason="x" * 2001), ANN, "comments 2000"),
        (AddSilence(timedelta(), "bot"), ANN, "longer than 0 seconds"),
    ],
)
def test_an_operation_without_what_it_needs_is_invalid(operation: Operation, author: Author, sentence: str) -> None:
    with pytest.raises(OperationError, match=sentence):
        check_texts(operation, author)


def test_the_last_acknowledgement_and_assignment_count() -> None:
    log = [
        IncidentResponse("i-1", START, "acknowledge", "ann", "cli", severity="critical"),
        IncidentResponse("i-1", START, "assign", "ann", "cli", assignee="ben"),
        IncidentResponse("i-1", START, "comment", "ann", "cli", "hm"),
        IncidentResponse("i-1", START + HOUR, "acknowledge", "ben", "api", severity="warning"),
        IncidentResponse("i-1", START + HOUR, "assign", "ann", "cli", assignee="cleo"),
    ]
    assert summarize_responses(log) == Handling(START + HOUR, "ben", "warning", "cleo")
    assert summarize_responses([]) == Handling()


def test_an_acknowledgement_lasts_until_the_incident_changes_or_is_more_severe() -> None:
    incident = incident_of(changes=(changed(START),))
    assert is_acknowledged(incident, acknowledged())
    assert not is_acknowledged(incident, Handling())
    assert not is_acknowledged(incident, acknowledged(severity="warning"))
    again = replace(incident, changes=(*incident.changes, changed(START + 2 * MINUTE)))
    assert not is_acknowledged(again, acknowledged())
    assert is_acknowledged(again, acknowledged(START + 2 * MINUTE))
    assert is_acknowledged(incident_of(), acknowledged())  # missing data has no changes


def reminded(handling: Handling, incident: Incident | None = None) -> list[Action]:
    """Plan an incident that was announced five hours ago."""
    standing = incident or incident_of()
    now = START + 5 * HOUR
    history = AlertHistory(
        open={"traffic": standing},
        handling={"i-1": handling},
        past=[PastAction("slack", START, "delivered", incident="i-1", kind="firing", at=START, severity="critical")],
    )
    decision = Decision(replace(standing, updated_at=now), None, "still firing")
    bucket = Bucket(now - MINUTE, now)
    context = PlanContext(history, bucket, now)
    return plan_incidents(monitor_of(), {"slack": SLACK}, Decisions(incidents=[decision]), context)[1]


def test_an_acknowledged_incident_gets_no_reminders_and_messages_state_who_handles_it() -> None:
    (reminder,) = reminded(Handling(assignee="ben"))
    data = reminder.payload["data"]
    assert (reminder.kind, data["acknowledged_by"], data["assignee"]) == ("reminder", None, "ben")
    assert reminded(acknowledged()) == []
    (again,) = reminded(acknowledged(severity="warning"))
    assert (again.kind, again.payload["data"]["acknowledged_by"]) == ("reminder", None)
    announced = incident_of(changes=(changed(START), changed(START + 3 * HOUR)))
    (update,) = reminded(acknowledged(START + 4 * HOUR), announced)
    assert (update.kind, update.payload["data"]["acknowledged_by"]) == ("update", "ann")
    assert "Assigned to ben." in render("reminder", reminder.payload, follows=True).summary
    assert "Acknowledged by ann." in render("update", update.payload, follows=True).summary
    assert "Acknowledged by ann." in render("resolved", update.payload, follows=True).summary


def test_responses_are_appended_to_the_incident_with_that_beginning(migrated_url: str) -> None:
    database = Database(migrated_url)
    migrate.upgrade(database)
    with database.write() as connection:
        for identity in (ID, "37b0bbbb" + ID[8:]):
            incidents.save_decision(connection, Decision(incident_of(id=identity), None, ""))
    clock = Hand(START)
    perform(database, Acknowledge("37b0a", reason="mine"), ANN, clock)
    perform(database, Assign(ID.upper(), "ben"), ANN, clock)
    for prefix, sentence in (("37b0", "several"), ("ffff", "no incident"), ("37b", "at least"), ("37b%", "no id")):
        with pytest.raises(LookupError, match=sentence):
            perform(database, Comment(prefix, reason="x"), ANN, clock)
    with database.read() as connection:
        log = audit.load_responses(connection, [ID])
        assert [(one.kind, one.by, one.text, one.at) for one in log] == [
            ("acknowledge", "ann", "mine", START),
            ("assign", "ann", "", START),
        ]
        assert audit.load_handling(connection, [ID, "other"]) == {ID: Handling(START, "ann", "critical", "ben")}
        assert audit.load_handling(connection, []) == {}
    database.close()


def test_the_commands_respond_to_an_incident_and_show_it(tmp_path: Path) -> None:
    path = tmp_path / "driftd.yaml"
    path.write_text(FILE)
    prefork.run(["db", "upgrade", "-c", path]).check_returncode()
    database = Database(f"sqlite:///{tmp_path / 'driftd.db'}")
    with database.write() as connection:
        incidents.save_decision(connection, Decision(incident_of(id=ID), "firing", "novelty rose"))
    database.close()

    def run(*words: str) -> Any:
        return prefork.run(["incidents", *words, "-c", path])

    assert run("ack", "37b0", "--reason", "rolling back", "--by", "ann").stdout == "the incident is acknowledged\n"
    assert run("assign", "37b0", "--to", "ben").stdout == "the incident is assigned to ben\n"
    assert run("comment", "37b0", "an outage").stdout == "the comment is stored\n"
    shown = json.loads(run("show", "37b0", "--json").stdout)
    assert [one["kind"] for one in shown["responses"]] == ["acknowledge", "assign", "comment"]
    assert (shown["responses"][0]["by"], shown["responses"][0]["text"]) == ("ann", "rolling back")
    assert (shown["handling"]["acknowledged_by"], shown["handling"]["assignee"]) == ("ann", "ben")
    text = run("show", "37b0").stdout
    assert "acknowledged by ann" in text
    assert "an outage" in text
    (listed,) = json.loads(run("--json").stdout)
    assert (listed["id"], listed["handling"]["assignee"]) == (ID, "ben")
    refused = run("ack", "ffff")
    assert (refused.returncode, "there is no incident 'ffff'" in refused.stderr) == (2, True)
