"""Deploy events: what is accepted, stored once, and named by incidents."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.alerting.messages.causes import advise, describe_cause
from monitor.alerting.messages.times import Times
from monitor.alerting.suspect_names import name_suspects
from monitor.alerting.suspects import choose_suspect
from monitor.core.deploy_event import DeployEvent, parse_event
from monitor.core.incident import Decision, Incident
from monitor.core.payload import Suspect
from monitor.store import migrate
from monitor.store.database import Database
from monitor.store.deploy_events import MOST, add_event, load_events
from tests.support import prefork
from tests.support.calls import HOUR, MINUTE, Application, Watching
from tests.support.world import START

GIVEN = {"monitor": "bot", "version": "m2", "commit": "1a2b3c4d5e6f", "author": "Ada", "link": "https://ci.example/7"}


def event(now: datetime = START, **given: str) -> DeployEvent:
    return parse_event({**GIVEN, **given}, now)


def test_an_event_has_an_id_of_its_content_and_the_time_of_the_report() -> None:
    one = event()
    assert (one.at, one.kind, one.sentence()) == (
        START,
        "deploy",
        "deploy by Ada, commit 1a2b3c4d, https://ci.example/7",
    )
    assert one.id == event().id != event(version="m3").id
    assert event(id="run-7").id == "run-7"
    assert event(at="2026-11-01T01:00:00+02:00").at == datetime.fromisoformat("2026-10-31T23:00:00Z")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"monitor": ""}, "`monitor` is missing"),
        ({"version": "", "commit": "", "link": ""}, "give at least one of `version`, `commit` and `link`"),
        ({"kind": "rollback"}, "`kind` is 'rollback'; allowed: deploy, config, data."),
        ({"version": "v" * 257}, "`version` has 257 characters; at most 256 are allowed."),
        ({"author": "Ada\x1b[31m"}, "`author` contains control characters"),
        ({"link": "javascript:alert(1)"}, "`link` must be an address that begins with https://"),
        ({"link": "https://ada:secret@ci.example"}, "without a password"),
        ({"link": "https://["}, "`link` must be an address"),
        ({"at": "yesterday"}, "`at` must be an ISO 8601 time"),
        ({"at": (START + HOUR).isoformat()}, "`at` is in the future"),
        ({"id": "run 7"}, "`id` may contain letters, digits"),
        ({"versoin": "m2"}, "'versoin' is not a key of an event. Allowed: id, monitor, kind"),
        ({"commit": 7}, "`commit` must be a text."),
    ],
)
def test_what_is_wrong_is_a_sentence(given: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence.replace("(", r"\(").replace(".", r"\.")):
        parse_event({**GIVEN, **given}, START)


def suspect(kind: str, column: str, value: str) -> Suspect:
    return {"kind": kind, "column": column, "value": value, "first_seen": START.isoformat()}


def test_a_suspected_version_gets_its_newest_deployment_and_other_suspects_none() -> None:
    suspects = [
        suspect("prompt_version", "prompt_version", "m2"),
        suspect("category", "plan", "m2"),
        suspect("deploy", "config", "m1"),
        suspect("model_version", "model_version", "m9"),
    ]
    leader = suspect("model_version", "model_version", "m2")
    incident = Incident(
        "i", "bot", "r", "critical", "firing", START, START, "", suspected_change=leader, suspects=suspects
    )
    events = [event(author="Boris"), event(), event(version="m1", kind="config", author="Chen", link="")]
    named = name_suspects(Decision(incident, "firing", ""), [], events).incident
    assert named.suspected_change is not None
    assert [named.suspected_change.get(key) for key in ("author", "commit", "link")] == [
        "Boris",
        "1a2b3c4d5e6f",
        "https://ci.example/7",
    ]
    assert [(one.get("author"), one.get("link")) for one in named.suspects] == [
        ("Boris", "https://ci.example/7"),
        (None, None),
        ("Chen", None),
        (None, None),
    ]


def test_a_deployment_before_an_incident_without_a_version_is_suspected() -> None:
    chosen = choose_suspect([event(kind="data").change], START - HOUR, {})
    assert chosen is not None
    assert (chosen["kind"], chosen["column"], chosen["value"]) == ("deploy", "data", "m2")
    assert choose_suspect([event().change], START + HOUR, {}) is None


def test_an_event_is_stored_once_and_the_oldest_are_deleted(migrated_url: str) -> None:
    database = Database(migrated_url)
    migrate.upgrade(database)
    with database.write() as connection:
        assert add_event(connection, event(id="a")) == (event(id="a"), True)
        assert add_event(connection, event(id="a", version="m3")) == (event(id="a"), False)
        for number in range(MOST):
            add_event(connection, event(START + (1 + number) * MINUTE, id=f"n{number}"))
        add_event(connection, event(id="other", monitor="scores"))
    with database.read() as connection:
        stored = load_events(connection, ["bot"], 2 * MOST)
        assert [one.id for one in load_events(connection, ["scores", "bot"], 1)] == [f"n{MOST - 1}"]
    database.close()
    assert [one.id for one in stored] == [f"n{number}" for number in reversed(range(MOST))]


def test_the_command_adds_and_lists(tmp_path: Path) -> None:
    path = Application(tmp_path).configure()
    prefork.run(["db", "upgrade", "-c", path]).check_returncode()
    add = [
        "events",
        "add",
        "-c",
        path,
        "--version",
        "m2",
        "--author",
        "Ada",
        "--at",
        START.isoformat(),
        "--id",
        "run-7",
    ]
    assert prefork.run(add).stdout == "event run-7: deploy by Ada\n"
    assert prefork.run(add).stdout == "event run-7 was stored before\n"
    (listed,) = json.loads(prefork.run(["events", "list", "-c", path, "--json"]).stdout)
    assert (listed["version"], listed["monitor"], listed["at"]) == ("m2", "bot", START.isoformat())
    wrong = prefork.run(["events", "add", "-c", path, "--kind", "rollback", "--version", "m2"])
    assert (wrong.returncode, wrong.stderr) == (2, "`kind` is 'rollback'; allowed: deploy, config, data.\n")


def test_an_incident_names_who_deployed_the_version(tmp_path: Path, watching: Callable[[Path], Watching]) -> None:
    app = Application(tmp_path)
    app.log(START, START + 90 * MINUTE, lambda _: {})
    app.log(START + 90 * MINUTE, START + 2 * HOUR, lambda _: {"model": "m2", "amount": 40.0})
    life = watching(app.configure(bucket="5m"))
    life.until(START + 85 * MINUTE, step=HOUR)
    with life.database.write() as connection:
        add_event(connection, event(START + 90 * MINUTE))
    life.until(START + 2 * HOUR, step=timedelta(minutes=5))
    incidents, actions = life.rows()
    assert [row.suspected_change["author"] for row in incidents if row.suspected_change] == ["Ada"]
    assert actions[0].payload["data"]["suspected_change"]["link"] == "https://ci.example/7"


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("deploy", "deployment of 'v42'"),
        ("config", "change of the configuration 'v42'"),
        ("data", "change of the data 'v42'"),
    ],
)
def test_a_suspected_deployment_is_a_sentence_with_its_share_and_what_to_do(kind: str, sentence: str) -> None:
    suspect: Any = {
        "kind": "deploy",
        "column": kind,
        "value": "v42",
        "first_seen": "2026-11-02T12:18:00+00:00",
        "share": 0.97,
        "author": "Ada",
        "commit": "1a2b3c4d5e6f7a8b",
        "link": "https://ci.example/7",
    }
    data: Any = {"monitor": "bot", "incident": {"rule": "answers"}, "suspects": [suspect]}
    times = Times(at="2026-11-02T12:30:00+00:00")
    assert describe_cause(data, times) == (
        f"Likely cause: {sentence}, at 12:18 UTC (explains 97 % of the effect), by Ada, commit 1a2b3c4d5e6f, "
        "https://ci.example/7."
    )
    assert advise(data).text == "To do: check what it changed, and undo it if that explains the incident."
