"""A real MLflow tracking server: ``python mlflow_server.py STORE_URL PORT FOLDER``, or :func:`serving` in a test."""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlencode

from tests.support.process import eventually, running
from tests.support.tools import ROOT, missing

ALIAS = "/api/2.0/mlflow/registered-models/alias"


class MlflowServer:
    """Calls the REST API of a server."""

    def __init__(self, url: str) -> None:
        self.url = url

    def call(self, path: str, body: Mapping[str, object] | None = None) -> dict[str, object]:
        """Send a request, a POST if it has a body; return the response."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"content-type": "application/json"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return dict(json.loads(answer.read()))

    def register(self, model: str, versions: int) -> None:
        """Create a model with some versions."""
        self.call("/api/2.0/mlflow/registered-models/create", {"name": model})
        for _ in range(versions):
            self.call("/api/2.0/mlflow/model-versions/create", {"name": model, "source": "s3://models/a"})

    def set_alias(self, model: str, alias: str, version: int) -> None:
        """Point an alias at a version."""
        self.call(ALIAS, {"name": model, "alias": alias, "version": str(version)})

    def read_alias(self, model: str, alias: str) -> str:
        """Return the version that an alias points at."""
        version = self.call(f"{ALIAS}?{urlencode({'name': model, 'alias': alias})}")["model_version"]
        assert isinstance(version, dict)
        return str(version["version"])


@contextmanager
def serving(folder: Path) -> Iterator[MlflowServer]:
    """Run a server on loopback."""
    if find_spec("flask") is None:
        missing("mlflow server", "install requirements-dev.lock")
    store = f"sqlite:///{folder / 'mlflow.db'}"
    ready = folder / "port"
    command = [sys.executable, "-m", "tests.support.mlflow_server", store, str(ready), str(folder / "artifacts")]
    with running(command, log=folder / "mlflow.log", cwd=ROOT) as process:
        port = eventually(lambda: process.poll() is None and ready.exists() and ready.read_text(), 240, "MLflow")
        yield MlflowServer(f"http://127.0.0.1:{port}")


def main(store: str, ready: str, artifacts: str) -> None:
    """Serve until the process is ended."""
    from mlflow.server import app, handlers
    from werkzeug.serving import make_server

    handlers.initialize_backend_stores(store, store, artifacts)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    written = Path(ready).with_suffix(".new")
    written.write_text(str(server.server_port))
    written.rename(ready)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
