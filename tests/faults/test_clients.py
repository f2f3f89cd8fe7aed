"""Hostile clients of the web server: a client with the token is answered in time throughout."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack

import pytest

from monitor.core.clock import SystemClock
from monitor.store.database import Database
from monitor.web.app import create_app
from monitor.web.server import Server
from tests.faults import tally
from tests.web.conftest import with_token
from tests.web.seed import TRIAL_OF, Seed
from tests.web.test_slow_clients import SENT, KeptConnection, slow_client

CLIENTS = 300
LONGEST = float(os.environ.get("DRIFTD_ANSWER_SECONDS", "10"))
"""Longest answer in seconds: 1 in `make faults`, which runs alone; more beside other tests, which occupy all cores."""


@pytest.mark.nightly
@pytest.mark.parametrize("kind", SENT)
def test_a_client_with_the_token_is_answered_in_time(kind: str, sqlite_url: str) -> None:
    """The others send nothing, half a head, half a body, or read no answer; each makes a new connection."""
    database = Database(sqlite_url)
    Seed(database).watch(TRIAL_OF)
    server = Server(create_app(database, with_token("sqlite://", names=(TRIAL_OF,)), SystemClock()), "127.0.0.1:0")
    server.start()
    try:
        with ExitStack() as stack:
            valid = KeptConnection(server.port)
            stack.callback(valid.close)
            worst = 0.0
            for _ in range(CLIENTS):
                stack.enter_context(slow_client(server.port, SENT[kind]))
                began = time.monotonic()
                assert valid.ask() == 200
                worst = max(worst, time.monotonic() - began)
    finally:
        server.stop()
        database.close()
    tally.note_worst("answer to a client with the token", worst)
    assert worst < LONGEST
