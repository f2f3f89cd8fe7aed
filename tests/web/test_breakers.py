"""The breakers over HTTP: from memory, with the age of what is known, also when our database is gone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import cycle

import httpx
import pytest

from monitor.config.money import BreakerSpec
from monitor.core.clock import SystemClock
from monitor.store.database import Database
from monitor.web.app import create_app
from monitor.web.breakers import Board
from monitor.web.server import Server
from tests.support.hand import Hand
from tests.web.conftest import Serve, with_token
from tests.web.seed import TRIAL_OF, Seed, configuration

REASON = "the daily budget of 200.00 USD is gone: 201.30 are spent"


def test_the_answer_says_why_until_when_and_how_old_it_is(database: Database, seed: Seed) -> None:
    seed.breaker(TRIAL_OF, "rank-money", "open", REASON)
    config = configuration(str(database.url), [TRIAL_OF])
    board = Board(database, config, SystemClock(), timedelta(seconds=0.05))
    server = Server(create_app(database, config, SystemClock(), board), "127.0.0.1:0")
    board.start()
    server.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as client:
            told = client.get("/api/v1/breakers/rank-money").json()
            assert (told["state"], told["allow"], told["reason"]) == ("open", False, REASON)
            assert told["until"] == (seed.end + timedelta(hours=9)).isoformat()
            assert 0 <= told["knowledge"]["age_seconds"] < 600
            assert told["on_unknown"] == "closed"
            (one,) = client.get("/api/v1/breakers").json()["breakers"]
            assert one["standing"][0]["state"] == "open"
            assert "Did you mean 'rank-money'" in client.get("/api/v1/breakers/rank-mony").json()["error"]
            with database.write() as connection:
                connection.exec_driver_sql("DROP TABLE breakers")
            board.refresh()
            assert client.get("/api/v1/breakers/rank-money").json()["state"] == "open"
    finally:
        server.stop()
        board.stop()


def test_before_anything_is_known_the_answer_says_so(database: Database, seed: Seed, serve: Serve) -> None:
    client = serve(configuration(str(database.url), [TRIAL_OF]))
    told = client.get("/api/v1/breakers/rank-money").json()
    assert (told["state"], told["allow"], told["knowledge"]["known"]) == ("closed", True, False)
    assert "no data yet: on_unknown is closed" in told["reason"]


def test_a_breaker_by_value_wants_the_value(database: Database, seed: Seed, serve: Serve) -> None:
    config = configuration(str(database.url), [TRIAL_OF])
    monitor = config.monitors[0]
    checks = [check.model_copy(update={"by": "tenant"}) for check in monitor.checks]
    client = serve(config.model_copy(update={"monitors": [monitor.model_copy(update={"checks": checks})]}))
    assert client.get("/api/v1/breakers/rank-money").status_code == 400
    told = client.get("/api/v1/breakers/rank-money?tenant=team-a").json()
    assert (told["value"], told["allow"]) == ("team-a", True)


@contextmanager
def half_open(database: Database, seed: Seed, probes: float) -> Iterator[tuple[Board, httpx.Client]]:
    """Serve a breaker that is half-open, with an even sequence in the place of chance."""
    seed.breaker(TRIAL_OF, "errors", "half_open", "probes are let through")
    config = configuration(str(database.url), [TRIAL_OF])
    spec = BreakerSpec(name="errors", rate="failed", above=0.2, probes=probes)
    config = config.model_copy(update={"monitors": [config.monitors[0].model_copy(update={"breakers": [spec]})]})
    clock = Hand(seed.end + timedelta(minutes=1))
    board = Board(database, config, clock, chance=cycle([0.1, 0.3, 0.6, 0.9]).__next__)
    board.refresh()
    server = Server(create_app(database, config, clock, board), "127.0.0.1:0")
    server.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as client:
            yield board, client
    finally:
        server.stop()


def claim(client: httpx.Client) -> bool:
    answer = client.post("/api/v1/breakers/errors", headers={"content-type": "application/json"})
    assert answer.status_code == 200
    return bool(answer.json()["allow"])


def test_a_counted_probe_is_claimed_by_post_and_never_by_a_look(database: Database, seed: Seed) -> None:
    with half_open(database, seed, probes=2) as (_, client):
        for _ in range(5):
            told = client.get("/api/v1/breakers/errors").json()
            assert (told["state"], told["allow"]) == ("half_open", False)
            assert told["reason"].endswith("a POST to this address takes one of 2 probes of each bucket")
            assert client.head("/api/v1/breakers/errors").status_code == 200
            assert client.get("/api/v1/breakers").json()["breakers"][0]["standing"][0]["allow"] is False
        assert [claim(client) for _ in range(4)] == [True, True, False, False]


def test_a_share_of_probes_is_drawn_anew_for_each_question(database: Database, seed: Seed) -> None:
    with half_open(database, seed, probes=0.25) as (board, client):
        read = [client.get("/api/v1/breakers/errors").json()["allow"] for _ in range(8)]
        assert read == [True, False, False, False] * 2
        assert [claim(client) for _ in range(4)] == read[:4]
        assert board._claimed == {}


@pytest.mark.parametrize("path", ["/api/v1/breakers", "/api/v1/breakers/rank-money", "/api/v1/spend"])
def test_the_token_is_asked_for(database: Database, seed: Seed, serve: Serve, path: str) -> None:
    client = serve(with_token(str(database.url), names=(TRIAL_OF,)))
    assert client.get(path).status_code == 401
    assert client.get(path, headers={"authorization": "Bearer correct horse"}).status_code == 200


def test_the_page_and_the_budgets_show_it(database: Database, seed: Seed, serve: Serve) -> None:
    seed.breaker(TRIAL_OF, "rank-money", "open", REASON)
    seed.watch(TRIAL_OF)
    seed.buckets(TRIAL_OF, 3)
    spent = {"value": 91.2, "budget": 200.0, "pace": 190.0, "unpriced": 3, "currency": "USD"}
    seed.findings(TRIAL_OF, "price", check="spend", method="daily", threshold=1.0, level=0.4, detail=spent)
    client = serve(configuration(str(database.url), [TRIAL_OF]))
    page = client.get("/").text
    assert "Circuit breakers" in page
    assert "rank-money" in page
    (budget,) = client.get("/api/v1/spend").json()["budgets"]
    assert (budget["method"], budget["value"], budget["unpriced"]) == ("daily", 91.2, 3)
