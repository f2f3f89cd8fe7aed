"""The servers of the benchmark, all on loopback: PostgreSQL, MLflow, Alertmanager and Prometheus."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.support import alertmanager, mlflow_server, postgres
from tests.support.alertmanager import AlertmanagerServer
from tests.support.mlflow_server import MlflowServer
from tests.support.process import eventually, free_port, running
from tests.support.tools import find


class Prometheus:
    """Answers queries about the daemon, which it scrapes each second."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=30)

    def read(self, expression: str) -> float | None:
        """Return the value of the only series, None without one."""
        answer: dict[str, Any] = self._client.get("/api/v1/query", params={"query": expression}).json()
        result = answer["data"]["result"]
        return float(result[0]["value"][1]) if result else None

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


@dataclass(frozen=True)
class Servers:
    """``daemon`` is the port that Prometheus scrapes and on which each daemon listens."""

    postgres: postgres.Server
    mlflow: MlflowServer
    alertmanager: AlertmanagerServer
    prometheus: Prometheus
    daemon: int


@contextmanager
def start_servers(folder: Path) -> Iterator[Servers]:
    """Start the servers; end them with the block."""
    daemon = free_port()
    with ExitStack() as stack:
        database = stack.enter_context(postgres.server())
        if database is None:
            sys.exit("PostgreSQL is missing: install requirements-dev.lock, or set DRIFTD_TEST_POSTGRES")
        for name in ("mlflow", "alertmanager", "prometheus"):
            (folder / name).mkdir()
        mlflow = stack.enter_context(mlflow_server.serving(folder / "mlflow"))
        alerts = stack.enter_context(alertmanager.serving(require_program("alertmanager"), folder / "alertmanager"))
        prometheus = stack.enter_context(start_prometheus(folder / "prometheus", daemon))
        yield Servers(database, mlflow, alerts, prometheus, daemon)


@contextmanager
def start_prometheus(folder: Path, target: int) -> Iterator[Prometheus]:
    """Start a Prometheus that scrapes a port of loopback each second."""
    scraped = {"job_name": "driftd", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}
    settings = {"global": {"scrape_interval": "1s"}, "scrape_configs": [scraped]}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
    port = free_port()
    command = [
        require_program("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with running(command, log=folder / "log"):
        prometheus = Prometheus(f"http://127.0.0.1:{port}")
        eventually(lambda: prometheus.read("vector(1)") == 1, 60, "the start of Prometheus")
        try:
            yield prometheus
        finally:
            prometheus.close()


def require_program(name: str) -> Path:
    """Return the path of a program; end the benchmark if it is missing."""
    program = find(name)
    if program is None:
        sys.exit(f"{name} is missing: run scripts/ensure-tools, or put it into PATH")
    return program
