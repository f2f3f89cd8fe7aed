"""Erasure: nothing that the store has names a value afterwards, and driftd goes on."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from monitor.cli.connections import open_store
from monitor.cli.factory import make_daemon
from monitor.cli.options import load_config
from monitor.config.models import Config
from monitor.core.clock import SystemClock
from monitor.sources.protection import Protection
from monitor.store import audit, labels, silences
from monitor.store.database import Database
from monitor.store.erasure import ErasedValue, rewrite
from monitor.web.app import create_app
from tests.faults.canaries import inflate
from tests.support.hand import Hand
from tests.support.world import START, World, rows_of

HOUR = timedelta(hours=1)
JANE, ACME, ID = "jane.roe@example.com", "acme industries", "4711"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.nightly)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    store = None if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    made = World(tmp_path, f"sqlite:///{tmp_path / 'log.db'}", store)
    made.execute('ALTER TABLE "inference log" ADD COLUMN tenant TEXT')
    made.log(rows_of(START, 9 * HOUR, 5))
    tenant = f"CASE id % 3 WHEN 0 THEN '{JANE}' WHEN 1 THEN '{ACME}' ELSE 'other' END"
    made.execute(f'UPDATE "inference log" SET tenant = {tenant}')
    made.execute(f"UPDATE \"inference log\" SET tenant = '{JANE}', amount = 900 WHERE id > 5 * 60 * 7")
    spend = {"daily": 1e9, "by": "tenant", "limits": {JANE: 10, ACME: 10}, "name": "tenants", "columns": ["amount"]}
    made.configure(
        baseline={"from": START.isoformat(), "to": (START + 6 * HOUR).isoformat()},
        bucket="1h",
        catch_up="3650d",
        features=["tenant", "amount"],
        segments=["tenant"],
        checks=["drift", {"spend": spend}],
        breakers=[{"name": "money", "budget": "tenants"}],
    )
    yield made
    made.close()


def work(world: World, hours: int) -> None:
    config = load_config(world.folder / "driftd.yaml")
    with open_store(config, upgrade=True) as database:
        daemon = make_daemon(database, config, Hand(START + hours * HOUR))
        for job in daemon.monitors:
            while job.take_turn(lambda: False, lambda: None):
                pass
            job.close()


def contents(world: World) -> bytes:
    """Return every row of the store, packed columns unpacked, and the file of a SQLite store."""
    engine = sa.create_engine(world.store_url)
    metadata = sa.MetaData()
    metadata.reflect(engine)
    parts: list[bytes] = []
    with engine.connect() as connection:
        for table in metadata.tables.values():
            for row in connection.execute(sa.select(table)):
                parts += [value if isinstance(value, bytes) else str(value).encode() for value in row]
    engine.dispose()
    for file in world.folder.glob("driftd.db*"):
        parts.append(file.read_bytes())
    return b"\n".join(piece for part in parts for piece in inflate(part))


def test_a_tenant_is_erased_from_every_table_and_driftd_goes_on(world: World) -> None:
    work(world, 8)
    monitor = load_config(world.folder / "driftd.yaml").monitors[0]
    written = {JANE: Protection.of(monitor).pseudonym(JANE), ACME: ACME}
    database = Database(world.store_url)
    with database.write() as connection:
        end = {"starts_at": START, "ends_at": START + 900 * HOUR, "comment": "", "created_by": "ann"}
        matchers = [f'segment="tenant={written[JANE]}"']
        silences.add_silence(connection, {"monitor": "shop", "rule": "*", "matchers": matchers, **end})
    before = contents(world)
    assert JANE.encode() not in before
    for tenant, stored in written.items():  # by the command, of which one has a hash and one is stored as it is
        assert stored.encode() in before
        code, trial = world.json("erase", "--tenant", tenant)
        assert (code, trial["erased"]) == (1, False)
        kinds = set(trial["rows"])
        assert {"aggregates", "findings", "costs", "baselines", "breakers"} <= kinds
        assert contents(world).count(stored.encode()) == before.count(stored.encode()), "a trial changes nothing"
        done = world.run("erase", "--tenant", tenant, "--yes", "--reason", "request 12")
        assert done.returncode == 0, done.stderr
        before = contents(world)
        assert stored.encode() not in before
    nothing = {"column": "tenant", "erased": False, "file_is_clean": True, "rows": {}}
    assert world.json("erase", "--tenant", JANE) == (0, nothing)
    with database.read() as connection:
        entries = audit.load_entries(connection)
    assert [(one.operation, one.subject, one.reason) for one in entries] == [("erase", "tenant", "request 12")] * 2
    assert entries[0].detail["findings"]
    assert not {JANE, ACME, *written.values()} & set(str(entries).split("'"))
    database.close()
    work(world, 9)
    assert world.json("incidents")[0] in (0, 1)


def test_the_label_of_a_record_is_erased(world: World) -> None:
    work(world, 7)
    database = Database(world.store_url)
    with database.write() as connection:
        labels.put(connection, "shop", {ID: "yes", "4712": "no"})
    assert world.json("erase", "--id", ID, "--yes")[1]["rows"] == {"labels": {"deleted": 1, "rewritten": 0}}
    with database.read() as connection:
        assert labels.load_labels(connection, "shop", [ID, "4712"]) == {"4712": "no"}
    database.close()


def test_a_hash_is_looked_up_in_the_source_and_the_lookup_is_in_the_audit_log(world: World) -> None:
    config = load_config(world.folder / "driftd.yaml")
    with open_store(config, upgrade=True) as database:
        hidden = Protection.of(config.monitors[0]).pseudonym(JANE)
    code, told = world.json("reveal", hidden, "--reason", "call back", "--by", "ann")
    assert (code, told["value"]) == (0, JANE)
    assert world.run("reveal", "id:000000000000").returncode == 1
    assert "is no hash" in world.run("reveal", JANE).stderr
    assert "no column" in world.run("reveal", hidden, "--column", "nothing").stderr
    database = Database(world.store_url)
    app = create_app(database, with_examples(config), SystemClock())
    with TestClient(app, base_url="http://127.0.0.1") as client:
        body = {"column": "tenant", "hash": hidden, "by": "bob"}
        assert client.post("/api/v1/monitors/shop/reveal", json=body).json()["value"] == JANE
        assert client.post("/api/v1/monitors/shop/reveal", json={**body, "column": "nothing"}).status_code == 404
    with TestClient(create_app(database, config, SystemClock()), base_url="http://127.0.0.1") as client:
        assert client.post("/api/v1/monitors/shop/reveal", json=body).status_code == 404
    with database.read() as connection:
        entries = audit.load_entries(connection)
    database.close()
    assert {(one.by, one.channel) for one in entries} >= {("ann", "cli"), ("bob", "api")}
    assert {one.operation for one in entries} == {"reveal"}
    assert JANE not in str(entries) and JANE.encode() not in contents(world)


def with_examples(config: Config) -> Config:
    return config.model_copy(update={"server": config.server.model_copy(update={"examples": True})})


def test_one_value_must_be_named(tmp_path: Path) -> None:
    world = World(tmp_path, f"sqlite:///{tmp_path / 'log.db'}")
    world.configure()
    for options in ((), ("--id", "1", "--tenant", "a")):
        done = world.run("erase", *options)
        assert done.returncode == 2
        assert "name one value" in done.stderr
    world.close()


def test_other_values_and_words_of_the_program_stay() -> None:
    value = ErasedValue("tenant", frozenset({"ok"}))
    kept = {"status": "ok", "segment": "tenant=ok then", "values": [["tenant", "okay", 1]], "region": {"ok": 1}}
    assert rewrite({**kept, "tenant=ok": 1, "check/column/psi/tenant=ok": 2}, value) == {
        **kept,
        "segment": "tenant=(erased) then",
    }
