"""Receivers in driftd.yaml: each by the model of its kind, and the old form of them still works, with a warning."""

from __future__ import annotations

import json
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import sqlalchemy as sa
import yaml
from structlog.testing import capture_logs
from typer.testing import CliRunner

from monitor.cli import app
from monitor.cli.factory import make_daemon
from monitor.cli.startup_checks import warn_of_old_forms
from monitor.config.load import load
from monitor.config.models import Config, ConfigError
from monitor.core.action import Action
from monitor.store import migrate, outbox
from monitor.store.database import Database
from monitor.store.tables import actions
from tests.support import receiver as far
from tests.support.hand import Hand
from tests.support.receivers import NOW

MONITOR = """\
monitors:
  - name: bot
    source: {url: sqlite:///log.db, table: log, columns: {timestamp: at}}
    rules: [{when: [drift], do: [slack, told, back, learn]}]
"""
OLD = """\
slack: {token: xoxb-canary, channel: "#ml", base_url: http://127.0.0.1:1/api/}
actions:
  told: {webhook: {url: "http://127.0.0.1:1/told", secret: canary}, kind: notify, mode: auto}
  back:
    webhook: {url: "http://127.0.0.1:1/back", secret: canary, timeout: 1m}
    mode: auto
    cooldown: 3650d
    dry_run: true
  learn: {webhook: {url: "http://127.0.0.1:1/learn", secret: canary}, kind: retrain, not_after: 2h, max_per_day: 3}
"""
NEW = """\
receivers:
  told: {kind: webhook, url: "http://127.0.0.1:1/told", secret: canary}
  back:
    kind: webhook
    url: http://127.0.0.1:1/back
    secret: canary
    timeout: 1m
    dry_run: true
    effect: {kind: rollback, mode: auto, cooldown: 3650d}
  learn:
    kind: webhook
    url: http://127.0.0.1:1/learn
    secret: canary
    effect: {kind: retrain, not_after: 2h, max_per_day: 3}
  slack: {kind: slack, token: xoxb-canary, channel: "#ml", base_url: http://127.0.0.1:1/api/}
"""


def read(folder: Path, text: str) -> Config:
    path = folder / "driftd.yaml"
    path.write_text(text)
    return load(path, {})


def test_the_old_form_means_the_new_one(tmp_path: Path) -> None:
    old, new = read(tmp_path, OLD + MONITOR), read(tmp_path, NEW + MONITOR)
    assert old.receivers == new.receivers
    assert old.monitors == new.monitors
    assert old.monitors[0].rules[1].do == ["slack"]
    assert new.deprecations == []


def test_the_warning_shows_the_new_form_and_no_secret(tmp_path: Path) -> None:
    old = read(tmp_path, OLD + MONITOR)
    (warning,) = old.deprecations
    assert "canary" not in warning
    written = warning.partition(":\n")[2]
    for name in ("told", "back", "learn"):
        written = written.replace("url: …", f"url: http://127.0.0.1:1/{name}", 1)
    written = written.replace("token: …", "token: xoxb-canary").replace("secret: …", "secret: canary")
    assert read(tmp_path, written + "\n" + MONITOR).receivers == old.receivers


def test_the_old_form_is_logged_once_when_the_daemon_starts(tmp_path: Path) -> None:
    for text, times in ((OLD, 1), (NEW, 0)):
        with capture_logs() as lines:
            warn_of_old_forms(read(tmp_path, text + MONITOR))
        assert [line["event"] for line in lines] == ["configuration_deprecated"] * times
        assert "canary" not in repr(lines)


def test_the_old_form_is_warned_of_by_config_check(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "log.db") as connection:
        connection.execute("CREATE TABLE log (at TEXT, score REAL)")
    path = tmp_path / "driftd.yaml"
    for text, times in ((OLD, 1), (NEW, 0)):
        path.write_text(text + MONITOR)
        done = CliRunner().invoke(app, ["config", "check", "--json", "--config", str(path)])
        assert done.stderr.count("are deprecated") == times
        assert json.loads(done.stdout)[0]["monitor"] == "bot"


def test_an_action_called_slack_got_messages_and_still_does(tmp_path: Path) -> None:
    hook = '{webhook: {url: "http://127.0.0.1:1/", secret: x}, kind: rollback, mode: auto}'
    text = MONITOR.replace("slack, told, back, learn", "slack")
    config = read(tmp_path, f"actions: {{slack: {hook}}}\n{text}")
    assert config.receivers["slack"].effect_settings is None
    both = read(tmp_path, f"slack: {{token: x, channel: c}}\nactions: {{slack: {hook}}}\n{text}")
    assert both.receivers["slack"].kind == "slack"


@pytest.mark.parametrize(
    ("receiver", "key", "sentence"),
    [
        ("{kind: slak, token: x, channel: c}", "team.kind", "webhook. Did you mean 'slack'"),
        ("{token: x, channel: c}", "team", "the key 'kind' is missing"),
        ("{kind: [slack]}", "team.kind", "Allowed: airflow, "),
        ("{kind: slack, channel: c}", "team", "the key 'token' is missing"),
        ("{kind: slack, token: x, channel: c, effect: {kind: rollback}}", "team.effect", "unknown key 'effect'"),
        ("{kind: webhook, url: x, secret: y, effect: {kind: notify}}", "team.effect.kind", "'rollback'"),
        ("{kind: webhook, url: x, secret: y, mode: auto}", "team.mode", "unknown key 'mode'"),
        ("slack", "team", "expected a mapping, such as {kind: slack, …}"),
        ("", "team", "expected a mapping"),
    ],
)
def test_errors_name_line_and_key(tmp_path: Path, receiver: str, key: str, sentence: str) -> None:
    text = f"receivers:\n  team: {receiver}\n" + MONITOR.replace("slack, told, back, learn", "team")
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    assert f"driftd.yaml:2: receivers.{key}: " in str(caught.value)
    assert sentence in str(caught.value)


def test_a_secret_is_in_no_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, "receivers:\n  team: {kind: slack, token: [canary], channel: c}\n" + MONITOR)
    assert "canary" not in str(caught.value)


def test_a_name_stands_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'slack' is defined in the old form and under `receivers:`"):
        read(tmp_path, OLD + "receivers:\n  slack: {kind: slack, token: y, channel: c}\n" + MONITOR)


BREAKER = "    breakers: [{name: guard, rate: failed, above: 0.2, do: [NAME]}]\n    signals: [failed]\n"
EXPERIMENT = (
    "    experiments: [{name: small, control: a, treatments: [b], from: 2026-11-01, metrics: [score], do: [NAME]}]\n"
)
SHADOW = "    shadows: [{name: small, champion: a, challenger: b, join: id, from: 2026-11-01, do: [NAME]}]\n"


@pytest.mark.parametrize("section", [BREAKER, EXPERIMENT, SHADOW])
def test_what_only_sends_messages_names_receivers_of_messages(tmp_path: Path, section: str) -> None:
    for name in ("slack", "told"):
        read(tmp_path, NEW + MONITOR + section.replace("NAME", name))
    for name, sentence in (("back", "gets a rollback; name one without `effect:`"), ("tolt", "Did you mean 'told'")):
        with pytest.raises(ConfigError, match=sentence):
            read(tmp_path, NEW + MONITOR + section.replace("NAME", name))


def test_the_schema_takes_what_is_read_and_refuses_what_is_not() -> None:
    schema = Config.model_json_schema(by_alias=True)["properties"]["receivers"] | {
        "$defs": Config.model_json_schema(by_alias=True)["$defs"]
    }
    good = yaml.safe_load(NEW)["receivers"]
    jsonschema.validate(good, schema)
    for wrong in (
        {"kind": "nobody"},
        {**good["slack"], "effect": {"kind": "rollback"}},
        {**good["told"], "nonsense": 1},
        {"kind": "slack", "channel": "c"},
        {name: value for name, value in good["slack"].items() if name != "kind"},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"team": wrong}, schema)


def test_a_copy_of_a_file_keeps_its_receivers(tmp_path: Path) -> None:
    config = read(tmp_path, OLD.replace("3650d", "1h") + MONITOR)
    dumped: dict[str, Any] = config.model_dump(include={"receivers", "slack", "actions"})
    assert Config.model_validate({"monitors": config.monitors, **dumped}).receivers == config.receivers


def test_actions_that_waited_before_an_upgrade_are_delivered_after_it(tmp_path: Path, sqlite_url: str) -> None:
    """A row names its receiver `slack`, or as the action was called."""
    database = Database(sqlite_url)
    migrate.upgrade(database)
    base = {
        "monitor": "bot",
        "incident": "i-1",
        "mode": "auto",
        "state": "pending",
        "reason": "told",
        "created_at": NOW,
        "sequence": 0,
    }
    waiting = [
        Action(id="a-1", name="slack", kind="firing", payload={"data": {"headline": "bot: it rose"}}, **base),
        Action(id="a-2", name="back", kind="rollback", payload={"type": "driftd.rollback"}, **base),
    ]
    with database.write() as connection:
        outbox.save_actions(connection, waiting)
    with far.listening(far.slack()) as chat, far.listening(far.Receiver()) as hook:
        text = f"slack: {{token: x, channel: c, base_url: {chat.url}/api/}}\n"
        text += f"actions: {{back: {{webhook: {{url: {hook.url}, secret: x}}, mode: auto}}}}\n"
        config = read(tmp_path, text + MONITOR.replace("slack, told, back, learn", "slack, back"))
        make_daemon(database, config, Hand(NOW + timedelta(seconds=1))).deliver()
        assert chat.requests[0].form()["text"] == "*bot: it rose*"
        assert hook.requests[0].headers["webhook-id"] == "a-2"
    with database.read() as connection:
        assert set(connection.execute(sa.select(actions.c.state)).scalars()) == {"delivered"}
    database.close()


def test_several_receivers_of_a_kind_are_told_apart_by_name(tmp_path: Path, sqlite_url: str) -> None:
    database = Database(sqlite_url)
    migrate.upgrade(database)
    with far.listening(far.slack()) as chat:
        team = {"kind": "slack", "token": "x", "base_url": chat.url + "/api/"}
        receivers = {"day": {**team, "channel": "#day"}, "night": {**team, "channel": "#night"}}
        rest = MONITOR.replace("slack, told, back, learn", "day, night")
        config = read(tmp_path, yaml.safe_dump({"receivers": receivers}) + rest)
        message = {"data": {"headline": "bot: it rose"}}
        with database.write() as connection:
            outbox.save_actions(
                connection,
                [
                    Action(f"a-{name}", "bot", "i-1", name, "firing", "auto", "pending", "told", message, NOW, 0)
                    for name in receivers
                ],
            )
        make_daemon(database, config, Hand(NOW + timedelta(seconds=1))).deliver()
        assert sorted(str(request.form()["channel"]) for request in chat.requests) == ["#day", "#night"]
    database.close()
