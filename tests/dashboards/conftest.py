"""A busy store behind a real server, scraped by a real Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from monitor.core.clock import SystemClock
from monitor.core.prompts import Prompt
from monitor.store import prompts as registry
from monitor.store.database import Database
from monitor.store.tables import deploy_events, spans, versions
from monitor.web.app import create_app
from monitor.web.server import Server
from tests.support.process import eventually, free_port, running
from tests.web.seed import Seed, busy_store, configuration


@pytest.fixture(scope="package")
def metrics_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    url = f"sqlite:///{tmp_path_factory.mktemp('store') / 'driftd.db'}"
    database = Database(url)
    seed = Seed(database)
    names = busy_store(seed)
    seed.insert(spans, [{"monitor": names[0], "kind": "live", "start": seed.end, "next": seed.end}])
    with database.write() as connection:
        registry.push(connection, Prompt("greeting", {"template": "Hello"}))
    named = {"monitor": names[0], "role": "prompt_version", "value": "mystery", "rows": 7}
    seed.insert(versions, [{**named, "first_seen": seed.end, "last_seen": seed.end}])
    deployed = {"monitor": names[0], "kind": "config", "at": seed.end, "version": "7", "reported_at": seed.end}
    seed.insert(deploy_events, [{"id": "event-1", "commit": "", "author": "", "link": "", **deployed}])
    config = configuration(url, names)
    server = Server(create_app(database, config, SystemClock()), "127.0.0.1:0")
    server.start()
    yield f"http://127.0.0.1:{server.port}"
    server.stop()
    database.close()


@pytest.fixture(scope="package")
def query(metrics_url: str, prometheus: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("prometheus")
    target = metrics_url.removeprefix("http://")
    settings = {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{"job_name": "driftd", "static_configs": [{"targets": [target]}]}],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
    port = free_port()
    command = [
        prometheus,
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with running(command, log=folder / "log"), httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:

        def ask(expression: str) -> list[Any]:
            answer = client.get("/api/v1/query", params={"query": expression}).json()
            assert answer["status"] == "success", (expression, answer)
            result: list[Any] = answer["data"]["result"]
            return result

        eventually(lambda: ask("driftd_store_up == 1"), within=60, what="the first scrape")
        yield ask
