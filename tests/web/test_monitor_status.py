"""One status of a monitor: the page, the API, the command line and its exit code say the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from monitor.cli import status
from monitor.metrics.monitor_status import exit_code
from monitor.store.database import Database
from tests.support import prefork
from tests.web.conftest import Serve
from tests.web.seed import Seed, configuration

OLD = datetime.now(UTC) - timedelta(days=2)


def healthy(seed: Seed, *, seen_at: datetime | None = None, error: str | None = None) -> None:
    seed.watch("bot", seen_at=seen_at, error=error)
    seed.baseline("bot")
    seed.buckets("bot", 3)
    seed.findings("bot", "score")


def firing(seed: Seed) -> None:
    healthy(seed)
    seed.incident("i" * 20, "bot")


def blind(seed: Seed) -> None:
    healthy(seed)
    seed.incident("i" * 20, "bot", rule="no_data", reason="no rows for 2 buckets")


def never_read(seed: Seed) -> None:
    """A backfill learns a baseline and computes buckets, and no daemon has run."""
    seed.baseline("bot")
    seed.buckets("bot", 3)


CASES: dict[str, tuple[Callable[[Seed], None], str, int, str]] = {
    "healthy": (healthy, "healthy", 0, "no finding is over its threshold"),
    "firing": (firing, "firing", 1, "drift of novelty"),
    "the daemon died": (lambda seed: healthy(seed, seen_at=OLD), "stalled", 2, "the last pass was 2 days, 0:"),
    "never read": (never_read, "stalled", 2, "there was no pass yet; check that the daemon is running"),
    "not even a bucket": (lambda _: None, "stalled", 2, "there was no pass yet; check that the daemon is running"),
    "source error": (lambda seed: healthy(seed, error="no such table"), "source error", 2, "no such table"),
    "no data": (blind, "no data", 2, "no rows for 2 buckets"),
    "learning": (lambda seed: seed.watch("bot"), "learning", 2, "there is no baseline yet"),
}


@pytest.mark.parametrize("case", CASES)
def test_every_interface_says_the_same(
    case: str, database: Database, seed: Seed, serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    fill, state, code, detail = CASES[case]
    fill(seed)
    config = configuration(str(database.url))
    client: httpx.Client = serve(config)
    (of_api,) = client.get("/api/v1/status").json()["monitors"]
    assert status.status(config, as_json=True) == code
    (of_command,) = json.loads(capsys.readouterr().out)["monitors"]
    page = client.get("/").text
    for told in (of_api, of_command):
        assert told["state"] == state
        assert detail in told["detail"]
    assert f'<article class="card {state.replace(" ", "-")}">' in page
    assert ("the state of 1 of 1 monitors is unknown" in page) is (state in ("stalled", "source error"))


@pytest.mark.parametrize(
    ("states", "code"),
    [(["healthy", "healthy"], 0), (["healthy", "stalled"], 2), (["stalled", "firing"], 1), (["learning"], 2)],
)
def test_the_exit_code_is_of_all_monitors(states: list[str], code: int) -> None:
    assert exit_code(states) == code


def test_the_command_ends_with_2_days_after_the_daemon_died(database: Database, seed: Seed, tmp_path: Path) -> None:
    healthy(seed, seen_at=OLD)
    source = {"url": "sqlite://", "table": "t", "columns": {"timestamp": "ts"}}
    settings = {"store": str(database.url), "monitors": [{"name": "bot", "source": source, "bucket": "5m"}]}
    file = tmp_path / "driftd.yaml"
    file.write_text(json.dumps(settings))
    done = prefork.run(["status", "--config", file])
    assert done.returncode == 2, done.stderr
    assert "stalled" in done.stdout
    assert "the last pass was 2 days, 0:" in done.stdout
