"""The real process on real databases: rows are logged at t, and what must happen happens between t1 and t2."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from monitor.actions.receivers.webhook.signature import verify
from tests.support.nightly import nightly
from tests.support.process import eventually, free_port
from tests.support.receiver import Receiver, listening, slack
from tests.support.world import World, rows_of

pytestmark = pytest.mark.xdist_group("waiting")  # one after the other, beside tests that compute

SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"
PER_MINUTE = 1200
PATIENCE = 240
"""Seconds that each step may take on a busy machine; usually it takes three."""


class Live:
    """The daemon beside an application that goes on logging."""

    def __init__(self, world: World, hook: Receiver, chat: Receiver, mode: str, **monitor: Any) -> None:
        self.world, self.hook, self.chat = world, hook, chat
        self.port = free_port()
        self.logged = datetime.now(UTC) - timedelta(seconds=1)
        start = self.logged.replace(microsecond=0) - timedelta(seconds=60)
        world.log(rows_of(start, timedelta(seconds=60), PER_MINUTE))
        world.log(rows_of(start + timedelta(seconds=60), self.logged - start - timedelta(seconds=60), PER_MINUTE))
        webhook = {"url": hook.url + "/rollback", "secret": SECRET}
        extra = {
            "server": {"listen": f"127.0.0.1:{self.port}"},
            "slack": {"token": "xoxb-canary", "channel": "#ml", "base_url": chat.url + "/api/"},
            "actions": {"back": {"webhook": webhook, "mode": mode}},
        }
        rule = {"when": ["drift.amount"], "for": 2, "resolve_for": 2, "severity": "critical", "do": ["slack", "back"]}
        world.configure(
            extra,
            **{
                "bucket": "1s",
                "window": "5s",
                "min_samples": 40,
                "segments": ["model_version"],
                "baseline": {"from": start.isoformat(), "to": (start + timedelta(seconds=60)).isoformat()},
                "rules": [rule],
                "outputs": ["amount"],
                **monitor,
            },
        )
        self.process = world.start("run")

    def feed(self, until: Any, within: float, what: str, **rows: Any) -> Any:
        """Log rows as time goes by until something is seen."""

        def step() -> Any:
            now = datetime.now(UTC)
            if now - self.logged > timedelta(seconds=0.2):
                self.world.log(rows_of(self.logged, now - self.logged, PER_MINUTE, seed=now.microsecond, **rows))
                self.logged = now
            return until()

        return eventually(step, within, what)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=30)

    def firing(self) -> bool:
        return 'severity="critical",state="firing"} 1.0' in self.get("/metrics").text


@pytest.fixture
def world(tmp_path: Path, store_url: str) -> Iterator[World]:
    source = store_url if store_url.startswith("postgresql") else f"sqlite:///{tmp_path / 'log.db'}"
    made = World(tmp_path, source, store_url)
    yield made
    made.close()


def messages(chat: Receiver) -> list[str]:
    return [request.path.rsplit("/", 1)[1] + " " + str(request.form().get("text")) for request in chat.requests]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("store_url", ["sqlite", nightly("postgresql")], indirect=True)
def test_a_bad_version_is_told_of_rolled_back_and_seen_to_be_over(world: World, promtool: Path) -> None:
    with listening(Receiver()) as hook, listening(slack()) as chat:
        live = Live(world, hook, chat, "auto")
        try:
            live.feed(lambda: live.get("/readyz").status_code == 200, PATIENCE, "ready")
            live.feed(lambda: "driftd_finding_statistic{" in live.get("/metrics").text, PATIENCE, "findings")
            assert not live.firing()
            swapped = time.monotonic()
            live.feed(lambda: hook.requests, PATIENCE, "the rollback", shift=2.0, model="v2")
            delay = time.monotonic() - swapped
            assert delay > 2
            request = hook.requests[0]
            assert verify(SECRET, request.headers, request.body, datetime.now(UTC))
            data = json.loads(request.body)["data"]
            assert data["observed_version"] == {"model_version": "v2"}
            assert data["target"]["model_version"] == "v1"
            assert data["suspected_change"]["value"] == "v2"
            assert live.firing()
            eventually(lambda: messages(chat), 60, "the Slack message")
            assert "first seen at" in messages(chat)[0]
            live.feed(lambda: any("resolved" in text for text in messages(chat)), PATIENCE, "the resolution")
            assert len(hook.requests) == 1
            posts = [request.form() for request in chat.requests if request.path.endswith("chat.postMessage")]
            assert {post.get("thread_ts") for post in posts[1:]} == {"1700000000.000001"}
            text = live.get("/metrics").text
            done = subprocess.run(
                [promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False
            )
            assert (done.returncode, done.stdout + done.stderr) == (0, "")
        finally:
            live.process.send_signal(signal.SIGTERM)
            assert live.process.wait(60) == 0
        log = (world.folder / "daemon.log").read_text()
        assert "xoxb-canary" not in log
        assert SECRET not in log
        assert "Traceback" not in log


@pytest.mark.timeout(600)
@pytest.mark.parametrize("store_url", [nightly("sqlite"), "postgresql"], indirect=True)
def test_approval_a_dropped_column_and_a_restart(world: World) -> None:
    with listening(Receiver()) as hook, listening(slack()) as chat:
        live = Live(world, hook, chat, "approve")
        try:
            live.feed(lambda: "driftd_finding_statistic{" in live.get("/metrics").text, PATIENCE, "findings")
            world.execute('ALTER TABLE "inference log" DROP COLUMN plan')
            waiting = live.feed(
                lambda: world.json("actions", "list", "--state", "awaiting_approval")[1],
                PATIENCE,
                "an action that waits",
                shift=2.0,
                model="v2",
                without="plan",
            )
            assert not hook.requests
            metrics = live.get("/metrics").text
            assert 'driftd_finding_status{check="schema",column="plan"' in metrics
            assert 'driftd_source_up{monitor="shop"} 1.0' in metrics
            live.process.kill()
            live.process.wait(60)
            assert world.run("actions", "approve", waiting[0]["id"]).returncode == 0
            assert world.run("actions", "approve", waiting[0]["id"]).returncode == 2  # it is about to be sent
            assert world.run("actions", "reject", waiting[0]["id"]).returncode == 2
            live.process = world.start("run")
            eventually(lambda: hook.requests, PATIENCE, "the approved rollback")
            assert hook.requests[0].headers["webhook-id"] == waiting[0]["id"]
            code, status = world.json("status")
            assert (code, status["monitors"][0]["state"]) == (1, "firing")
        finally:
            live.process.send_signal(signal.SIGTERM)
            assert live.process.wait(60) == 0
