"""A receiver is one folder and one line: everything else follows from the registry, and nothing names a kind."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from monitor.actions.decision_context import DecisionContext
from monitor.actions.plan import plan
from monitor.actions.receivers import make_receivers
from monitor.cli import app
from monitor.config.models import Config
from monitor.config.receivers import RECEIVERS
from monitor.core.incident import Decision
from monitor.core.schedule import Bucket
from monitor.jobs.delivery import deliver_due
from monitor.store import migrate, outbox
from monitor.store.database import Database
from monitor.store.tables import actions
from scripts import docs
from tests.support import receiver as far
from tests.support.decisions import MINUTE, START, incident_of, monitor_of
from tests.support.hand import Hand
from tests.support.tools import ROOT

LINE = {"letterbox": "tests.receivers.letterbox:Letterbox"}
NAMED = (
    *("monitor/config/receivers.py", "monitor/config/deprecated.py", "monitor/core/operation.py"),
    *("monitor/config/access.py", "monitor/web/oidc.py"),
    *("monitor/config/presets/__init__.py", "monitor/config/presets/mlflow.py"),
    *("scripts/messages/files.py", "scripts/messages/record.py", "scripts/messages/scenarios.py"),
)
"""The registry, the old form, the channels of responses, a claim, presets of the same name, messages in the docs."""


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add a receiver by one line."""
    for kind, place in LINE.items():
        monkeypatch.setitem(RECEIVERS, kind, place)


def settings(url: str) -> dict[str, object]:
    """Return a file with two receivers of the new kind: one gets messages, the other one effects."""
    box = {"kind": "letterbox", "address": url, "api_key": "k"}
    rules = [{"when": ["drift"], "do": ["team", "undo"]}]
    source = {"url": "sqlite://", "table": "log", "columns": {"timestamp": "at"}}
    return {
        "monitors": [{"name": "bot", "source": source, "rules": rules}],
        "receivers": {"team": box, "undo": {**box, "effect": {"kind": "rollback", "mode": "auto"}}},
    }


@pytest.mark.usefixtures("registered")
def test_a_new_receiver_is_in_the_schema_in_the_errors_of_the_command_line_and_in_the_docs(tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, ["config", "schema"])
    schema = json.loads(shown.stdout)
    mapping = schema["properties"]["receivers"]["additionalProperties"]["discriminator"]["mapping"]
    assert mapping["letterbox"] == "#/$defs/LetterboxConfig"
    assert set(schema["$defs"]["LetterboxConfig"]["required"]) == {"kind", "address", "api_key"}
    wrong = settings("http://127.0.0.1:1/")
    wrong["receivers"] = {"team": {"kind": "letterbax"}}
    (tmp_path / "driftd.yaml").write_text(json.dumps(wrong))
    refused = CliRunner().invoke(app, ["config", "check", "--config", str(tmp_path / "driftd.yaml")])
    said = f"{refused.output} {refused.exception}"
    assert f"receivers.team.kind: unknown value 'letterbax'. Allowed: {', '.join(sorted(RECEIVERS))}." in said
    page = docs.receiver_kinds()
    assert (
        "| [`letterbox`](#letterbox) | A letterbox that takes letters by HTTP. | messages or effects | people |" in page
    )
    assert "| `address` | required | Where it hangs. |" in page


@pytest.mark.usefixtures("registered")
def test_a_new_receiver_gets_a_message_and_an_effect_through_the_outbox(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    migrate.upgrade(database)
    with far.listening(far.Receiver()) as side:
        config = Config.model_validate(settings(side.url))
        decision = Decision(incident_of(updated_at=START), "firing", "it rose")
        bucket, rule = Bucket(START - MINUTE, START), config.monitors[0].rules[0]
        planned = plan(
            monitor_of(), decision, rule.do, config.receivers, DecisionContext(bucket, now=START, sequence=0)
        )
        with database.write() as connection:
            outbox.save_actions(connection, planned)
        receivers, clock = make_receivers(config.receivers), Hand(START + timedelta(seconds=1))
        for name in receivers:
            assert deliver_due(database, receivers, clock, name) == 1
        types = [json.loads(request.body)["type"] for request in side.requests]
    with database.read() as connection:
        states = connection.execute(sa.select(actions.c.name, actions.c.kind, actions.c.state)).all()
    database.close()
    assert types == ["driftd.incident.firing", "driftd.rollback"]
    assert sorted(map(tuple, states)) == [
        ("team", "effect", "pending"),
        ("team", "firing", "delivered"),
        ("undo", "rollback", "delivered"),
    ]


def test_a_new_receiver_is_in_the_contract_test() -> None:
    arguments = [
        "-q",
        "-n0",
        "-p",
        "no:cacheprovider",
        "tests/receivers/test_contract.py",
        "-k",
        "letterbox and not misbehaves",
    ]
    script = (
        "import sys, pytest; from monitor.config.receivers import RECEIVERS;"
        f"RECEIVERS.update({LINE!r}); sys.exit(pytest.main({arguments!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert int(done.stdout.rsplit(" passed", 1)[0].split()[-1]) > 30


def constants(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the texts of a module, without its docstrings, with their lines."""
    tree = ast.parse(path.read_text())
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.lineno, node.value


def test_no_module_but_its_own_names_a_kind_of_receiver() -> None:
    own = ROOT / "monitor" / "actions" / "receivers"
    files = [path for top in ("monitor", "dashboards", "scripts") for path in sorted((ROOT / top).rglob("*.py"))]
    assert len(files) > 150
    named = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in files
        if own not in path.parents and path.relative_to(ROOT).as_posix() not in NAMED
        for line, text in constants(path)
        if text.lower() in RECEIVERS
    ]
    assert named == []


def test_naming_the_receivers_imports_no_transport() -> None:
    script = (
        "import sys; from monitor.config.models import Config;"
        "from monitor.config.receivers import RECEIVERS, config_model;"
        "import monitor.actions.receivers; [config_model(kind) for kind in RECEIVERS];"
        "print([name for name in ('slack_sdk', 'httpx', 'asyncio', 'smtplib', 'jinja2') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
