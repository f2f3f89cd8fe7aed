"""What the web server serves: the application of the running configuration."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from monitor.config.access import TlsConfig
from monitor.config.models import Config
from monitor.core.clock import Clock
from monitor.jobs.liveness import Liveness
from monitor.store.database import Database
from monitor.web.app import create_app
from monitor.web.breakers import Board
from monitor.web.health import Health
from monitor.web.metrics_app import create_metrics_app
from monitor.web.tls import ServerTls


@dataclass(frozen=True)
class ConfiguredApp:
    """The applications of one configuration, its breakers in memory, and its certificate."""

    app: ASGIApp
    board: Board
    metrics: ASGIApp | None
    tls: TlsConfig | None


class Site:
    """The application of the running configuration. A reload replaces it; a request ends with the one it began with.

    Parameters
    ----------
    config
        The configuration of the start.

    Raises
    ------
    ConfigError
        When the server is reachable from other machines and no token is set, or its certificate cannot be used.
    """

    def __init__(self, database: Database, config: Config, clock: Clock, liveness: Liveness) -> None:
        self._database = database
        self._clock = clock
        self._liveness = liveness
        self.tls = ServerTls(config.server.tls) if config.server.tls else None
        self._current = self.prepare(config)

    def prepare(self, config: Config) -> ConfiguredApp:
        """Make the application of a configuration, for :meth:`switch`; raises ConfigError if it cannot be served."""
        board = Board(self._database, config, self._clock)
        health = Health(self._database, config, self._liveness)
        app, metrics = create_app(self._database, config, self._clock, board, health), None
        if config.metrics is not None:
            metrics = create_metrics_app(self._database, config, config.metrics, self._clock, health)
        return ConfiguredApp(app, board, metrics, config.server.tls)

    def switch(self, made: ConfiguredApp) -> None:
        """Serve another application from the next request on.

        Raises
        ------
        ConfigError
            When its certificate cannot be used; everything is as before.
        """
        if self.tls is not None and made.tls is not None:
            self.tls.load(made.tls)
        made.board.start()
        before, self._current = self._current, made
        before.board.stop()

    def start(self) -> None:
        """Start reading the breakers."""
        self._current.board.start()

    def stop(self) -> None:
        """Stop reading the breakers."""
        self._current.board.stop()

    async def serve_metrics(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request to the listener of the metrics."""
        if self._current.metrics is not None:
            await self._current.metrics(scope, receive, send)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await self._current.app(scope, receive, send)
