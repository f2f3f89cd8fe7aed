"""What pages and tables call the states of actions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from monitor.cli import app
from tests.web.conftest import Serve
from tests.web.seed import MINUTE, Seed, configuration
from tests.web.test_pages import FIRING, words

TOLD = "33333333-cccc-4000-8000-000000000003"


@pytest.fixture
def announced(seed: Seed) -> Seed:
    """Lend a store with an incident whose rollback was announced and not sent."""
    seed.incident(FIRING, "bot", [("novelty", None, 0.41)])
    reason = "mode notify: the effect is announced and not sent"
    seed.action(TOLD, FIRING, "bot", state="told", mode="notify", reason=reason, finished_at=seed.end - MINUTE)
    return seed


def test_pages_say_that_an_effect_was_announced_only(announced: Seed, serve: Serve) -> None:
    client = serve(configuration(str(announced.database.url)))
    for path in ("/actions?state=told", "/actions", f"/incidents/{FIRING}"):
        page = words(client.get(path).text)
        assert "announced only" in page.lower()
        assert " told " not in page
    assert "Announced only" in words(client.get("/actions").text)
    assert client.get("/api/v1/actions").json()["actions"][0]["state"] == "told"


def test_the_table_says_that_an_effect_was_announced_only(announced: Seed, tmp_path: Path) -> None:
    path = tmp_path / "driftd.yaml"
    monitor = {"name": "bot", "source": {"url": "sqlite://", "table": "t", "columns": {"timestamp": "ts"}}}
    path.write_text(yaml.safe_dump({"store": str(announced.database.url), "monitors": [monitor]}))
    table = CliRunner().invoke(app, ["actions", "list", "--state", "told", "--config", str(path)])
    assert table.exit_code == 0, table.output
    assert "announced only" in table.output
    listed = CliRunner().invoke(app, ["actions", "list", "--config", str(path), "--json"])
    assert json.loads(listed.output)[0]["state"] == "told"


def test_the_page_of_an_incident_says_what_belongs_to_the_version_to_go_back_to(seed: Seed, serve: Serve) -> None:
    seed.incident(FIRING, "bot", [("novelty", None, 0.41)])
    together = {"prompt_version": "p<1>", "instead_of": "p2", "commit": "1a2b3c4"}
    data = {"monitor": "bot", "target": {"model_version": "big-4", "rows": 900, "with": together}}
    payload = {"type": "driftd.rollback", "timestamp": seed.end.isoformat(), "data": data}
    seed.action(TOLD, FIRING, "bot", payload=payload)
    page = words(serve(configuration(str(seed.database.url))).get(f"/incidents/{FIRING}").text)
    assert "last known good: 900 requests · prompt version p<1> · commit 1a2b3c4" in page.replace("&lt;", "<").replace(
        "&gt;", ">"
    )
