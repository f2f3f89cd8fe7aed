"""Acknowledging, assigning and commenting: what is stored and refused, and what people get afterwards."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from monitor.actions.incident_actions import plan_incidents
from monitor.actions.plan_context import PlanContext
from monitor.alerting.decisions import Decisions
from monitor.alerting.responses import ResponseError, is_acknowledged, respond, summarize_responses
from monitor.core.action import Action, AlertHistory, PastAction
from monitor.core.incident import Decision, Incident
from monitor.core.incident_response import Author, Handling, IncidentResponse
from monitor.core.payload import FurtherChange
from monitor.core.schedule import Bucket
from monitor.store import incidents, migrate, responses
from monitor.store.database import Database
from tests.support import prefork
from tests.support.decisions import HOUR, MINUTE, SLACK, START, incident_of, monitor_of

ANN = Author("ann", "cli")
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


def test_a_response_states_who_when_by_which_channel_and_why() -> None:
    incident = incident_of()
    assert respond(incident, "acknowledge", ANN, START, " rolling back ") == IncidentResponse(
        "i-1", START, "acknowledge", "ann", "cli", "rolling back", None, "critical"
    )
    assert respond(incident, "assign", ANN, START, assignee=" ben ").assignee == "ben"
    assert respond(incident, "comment", Author("ben", "api"), START, "an outage").channel == "api"
    assert respond(incident, "comment", ANN, START, "an outage", "ben").assignee is None


@pytest.mark.parametrize(
    ("change", "arguments", "sentence"),
    [
        ({"state": "resolved"}, ("acknowledge", ANN, START), "only an open incident can be acknowledged"),
        ({}, ("acknowledge", Author(" ", "cli"), START), "the name of who responds is missing"),
        ({}, ("comment", ANN, START, " "), "the comment is empty"),
        ({}, ("assign", ANN, START), "the name of the assignee is missing"),
        ({}, ("assign", ANN, START, "", "x" * 129), "at most 128 characters"),
        ({}, ("comment", ANN, START, "x" * 2001), "comments 2000"),
    ],
)
def test_a_response_that_says_nothing_is_refused(change: dict[str, Any], arguments: Any, sentence: str) -> None:
    with pytest.raises(ResponseError, match=sentence):
        respond(incident_of(**change), *arguments)


def test_a_resolved_incident_can_be_commented_on() -> None:
    assert respond(incident_of(state="resolved"), "comment", ANN, START, "it was the provider").text


def test_the_last_acknowledgement_and_assignment_count() -> None:
    incident = incident_of()
    log = [
        respond(incident, "acknowledge", ANN, START),
        respond(incident, "assign", ANN, START, assignee="ben"),
        respond(incident, "comment", ANN, START, "hm"),
        respond(replace(incident, severity="warning"), "acknowledge", Author("ben", "api"), START + HOUR),
        respond(incident, "assign", ANN, START + HOUR, assignee="cleo"),
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


def test_responses_are_appended_to_the_incident_with_that_beginning(migrated_url: str) -> None:
    database = Database(migrated_url)
    migrate.upgrade(database)
    with database.write() as connection:
        for identity in (ID, "37b0bbbb" + ID[8:]):
            incidents.save_decision(connection, Decision(incident_of(id=identity), None, ""))
        responses.add_response(connection, "37b0a", "acknowledge", ANN, START, "mine")
        responses.add_response(connection, ID.upper(), "assign", ANN, START, assignee="ben")
        for prefix, sentence in (("37b0", "several"), ("ffff", "no incident"), ("37b", "at least"), ("37b%", "no id")):
            with pytest.raises(LookupError, match=sentence):
                responses.add_response(connection, prefix, "comment", ANN, START, "x")
    with database.read() as connection:
        log = responses.load_responses(connection, [ID])
        assert [(one.kind, one.by, one.text, one.at) for one in log] == [
            ("acknowledge", "ann", "mine", START),
            ("assign", "ann", "", START),
        ]
        assert responses.load_handling(connection, [ID, "other"]) == {ID: Handling(START, "ann", "critical", "ben")}
        assert responses.load_handling(connection, []) == {}
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
