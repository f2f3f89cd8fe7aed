"""What the data hold never sets the size of what we keep or export."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from monitor.cli.connections import open_store
from monitor.cli.factory import make_daemon
from monitor.config.load import load
from monitor.metrics.export import StateCollector
from tests.support.nightly import nightly
from tests.support.world import START, World, rows_of

HOUR = timedelta(hours=1)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, f"sqlite:///{tmp_path / 'log.db'}")
    yield made
    made.close()


@pytest.mark.parametrize("names", [20_000, nightly(100_000)])
def test_any_number_of_model_names_is_a_bounded_number_of_series(world: World, names: int) -> None:
    world.log(rows_of(START, 2 * HOUR, per_minute=100))
    flood = rows_of(START + 2 * HOUR, HOUR, per_minute=names / 60, seed=1)
    for number, row in enumerate(flood):
        row.update(model=f"model-{number}", plan=f"plan-{number}")
    world.log(flood)
    end = START + 3 * HOUR
    path = world.configure(
        segments=["model_version"],
        start=(START + 2 * HOUR).isoformat(),
        catch_up="3650d",
        baseline={"from": START.isoformat(), "to": (START + 2 * HOUR).isoformat()},
    )
    config = load(path)
    with open_store(config, upgrade=True) as database:
        daemon = make_daemon(database, config)
        (watch,) = daemon.monitors
        watch.source._source_time = lambda _reader: end  # noqa: SLF001  the test's present
        while daemon.turn(watch):
            pass
        registry = CollectorRegistry()
        registry.register(StateCollector(database, config))
        text = generate_latest(registry).decode()
        watch.close()
        stored = (world.folder / "driftd.db").stat().st_size
    series = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert 'check="unseen",column="plan"' in text
    assert len(series) < 2000
    assert len(text) < 1_000_000
    assert stored < 20_000_000
