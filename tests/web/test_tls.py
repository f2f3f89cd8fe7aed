"""TLS of the server itself, and a listener of its own for the metrics."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from typer.testing import CliRunner

from monitor.cli import app
from monitor.config.access import TlsConfig
from monitor.config.load import load
from monitor.config.models import Config, ConfigError
from monitor.config.operation import MetricsConfig
from monitor.core.clock import SystemClock
from monitor.jobs.liveness import Liveness
from monitor.store import migrate
from monitor.store.database import Database
from monitor.web import server as server_module
from monitor.web.server import Server
from monitor.web.site import Site
from monitor.web.tls import ServerTls
from tests.support.receivers import make_certificate
from tests.web.conftest import with_token

TOKEN = {"authorization": "Bearer correct horse"}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Make two certificates for the name localhost."""
    return {name: make_certificate(tmp_path_factory.mktemp(name), "localhost") for name in ("old", "new")}


def tls_of(folder: Path) -> TlsConfig:
    return TlsConfig(cert_file=folder / "cert.pem", key_file=folder / "key.pem")


def get(server: Server, path: str, trust: Path | None, **options: Any) -> httpx.Response:
    """Ask a server by TLS that trusts one certificate, or by plain HTTP."""
    if trust is None:
        return httpx.get(f"http://127.0.0.1:{server.port}{path}", timeout=30, **options)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(trust / "cert.pem")
    with httpx.Client(verify=context, timeout=30) as client:
        return client.request(
            options.pop("method", "GET"),
            f"https://localhost:{server.port}{path}",
            headers=options.pop("headers", None),
            **options,
        )


@contextmanager
def served(database: Database, config: Config) -> Iterator[tuple[Site, Server, Server]]:
    """Serve a configuration, and its metrics on a port of their own."""
    migrate.upgrade(database)
    site = Site(database, config, SystemClock(), Liveness())
    context = site.tls.context if site.tls else None
    servers = [Server(served, "127.0.0.1:0", tls=context) for served in (site, site.serve_metrics)]
    for server in servers:
        server.start()
    yield site, servers[0], servers[1]
    for server in servers:
        server.stop()


def test_the_server_speaks_tls_and_uses_another_certificate_after_a_reload(
    database: Database, certificates: dict[str, Path]
) -> None:
    old, new = certificates["old"], certificates["new"]
    config = with_token(str(database.url), tls=tls_of(old))
    with served(database, config) as (site, server, _):
        assert get(server, "/healthz", old).text == "ok"
        form = {"token": "correct horse"}
        origin = {"origin": f"https://localhost:{server.port}"}
        signed_in = get(server, "/login", old, method="POST", data=form, headers=origin)
        assert signed_in.status_code == 303
        assert "; Secure" in signed_in.headers["set-cookie"]
        with pytest.raises(httpx.TransportError):
            get(server, "/healthz", None)
        with pytest.raises(httpx.ConnectError, match="certificate"):
            get(server, "/healthz", new)
        renewed = config.server.model_copy(update={"tls": tls_of(new)})
        site.switch(site.prepare(config.model_copy(update={"server": renewed})))
        assert get(server, "/healthz", new).text == "ok"
        with pytest.raises(httpx.ConnectError, match="certificate"):
            get(server, "/healthz", old)


def test_old_versions_of_tls_are_refused(database: Database, certificates: dict[str, Path]) -> None:
    with served(database, with_token(str(database.url), tls=tls_of(certificates["old"]))) as (site, _, _):
        assert site.tls is not None
        assert site.tls.context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_client_that_does_not_finish_its_handshake_is_disconnected(
    database: Database, certificates: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "HANDSHAKE_SECONDS", 0.2)
    with served(database, with_token(str(database.url), tls=tls_of(certificates["old"]))) as (_, server, _):
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as silent:
            assert silent.recv(1) == b""
        assert get(server, "/healthz", certificates["old"]).text == "ok"


def test_a_certificate_that_cannot_be_used_is_an_error_and_the_previous_one_stays(
    database: Database, certificates: dict[str, Path], tmp_path: Path
) -> None:
    old, new = certificates["old"], certificates["new"]
    mixed = TlsConfig(cert_file=new / "cert.pem", key_file=old / "key.pem")
    with pytest.raises(ConfigError, match="are not a PEM certificate and its unencrypted key: KEY_VALUES_MISMATCH"):
        ServerTls(mixed)
    missing = TlsConfig(cert_file=tmp_path / "none.pem", key_file=old / "key.pem")
    with pytest.raises(ConfigError, match="No such file"):
        ServerTls(missing)
    with served(database, with_token(str(database.url), tls=tls_of(old))) as (site, server, _):
        assert site.tls is not None
        with pytest.raises(ConfigError):
            site.tls.load(mixed)
        assert get(server, "/healthz", old).text == "ok"


def test_the_health_command_uses_tls(database: Database, certificates: dict[str, Path]) -> None:
    with served(database, with_token(str(database.url), tls=tls_of(certificates["old"]))) as (_, server, _):
        address = ["health", "--listen", f"127.0.0.1:{server.port}"]
        assert CliRunner().invoke(app, [*address, "--tls"]).exit_code == 0
        assert CliRunner().invoke(app, address, env={"DRIFTD_TLS": "1"}).exit_code == 0
        assert CliRunner().invoke(app, address).exit_code == 1


def test_metrics_have_a_listener_of_their_own(database: Database) -> None:
    config = with_token(str(database.url)).model_copy(update={"metrics": MetricsConfig(listen="127.0.0.1:0")})
    with served(database, config) as (_, server, metrics):
        assert get(server, "/metrics", None, headers=TOKEN).status_code == 404
        assert get(metrics, "/metrics", None).status_code == 401
        assert get(metrics, "/metrics", None, headers=TOKEN).status_code == 200
        assert get(metrics, "/", None, headers=TOKEN).status_code == 404
        assert get(metrics, "/api/v1/status", None, headers=TOKEN).status_code == 404
        assert get(metrics, "/healthz", None).text == "ok"
        assert get(metrics, "/readyz", None, headers={**TOKEN, "host": "evil.example"}).status_code == 400
        assert get(server, "/readyz", None, headers=TOKEN).status_code == 503


def test_an_open_listener_asks_for_no_token(database: Database) -> None:
    listen = MetricsConfig(listen="0.0.0.0:9479", open=True)
    config = with_token(str(database.url)).model_copy(update={"metrics": listen})
    with served(database, config) as (_, server, metrics):
        assert "driftd_store_up 1.0" in get(metrics, "/metrics", None, headers={"host": "10.0.0.7:9479"}).text
        assert get(metrics, "/readyz", None).status_code == 503
        assert get(metrics, "/monitors/bot", None).status_code == 404
        assert get(server, "/readyz", None).status_code == 401


def test_a_listener_for_others_needs_a_token_or_to_be_open(database: Database) -> None:
    config = with_token(str(database.url), token=None).model_copy(
        update={"metrics": MetricsConfig(listen="0.0.0.0:9479")}
    )
    with pytest.raises(ConfigError, match="`metrics: listen:` is '0.0.0.0:9479'"):
        Site(database, config, SystemClock(), Liveness())


def test_the_files_are_relative_to_the_configuration_and_the_port_is_checked(tmp_path: Path) -> None:
    monitor = {"name": "m", "source": {"url": "sqlite://", "table": "t", "columns": {"timestamp": "ts"}}}
    path = tmp_path / "driftd.yaml"
    tls = {"cert_file": "tls/cert.pem", "key_file": "/etc/key.pem"}
    path.write_text(yaml.safe_dump({"server": {"tls": tls}, "monitors": [monitor]}))
    read = load(path).server.tls
    assert read is not None
    assert (read.cert_file, read.key_file) == (tmp_path / "tls/cert.pem", Path("/etc/key.pem"))
    path.write_text(yaml.safe_dump({"metrics": {"listen": "127.0.0.1:70000"}, "monitors": [monitor]}))
    with pytest.raises(ConfigError, match="expected a port of at most 65535"):
        load(path)
