"""What the web server serves: the application of the running configuration."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from monitor.config.models import Config
from monitor.core.clock import Clock
from monitor.jobs.liveness import Liveness
from monitor.store.database import Database
from monitor.web.app import create_app
from monitor.web.breakers import Board
from monitor.web.health import Health


@dataclass(frozen=True)
class ConfiguredApp:
    """The application of one configuration, and its breakers in memory."""

    app: ASGIApp
    board: Board


class Site:
    """The application of the running configuration. A reload replaces it; a request ends with the one it began with.

    Parameters
    ----------
    config
        The configuration of the start.

    Raises
    ------
    ConfigError
        When the server is reachable from other machines and no token is set.
    """

    def __init__(self, database: Database, config: Config, clock: Clock, liveness: Liveness) -> None:
        self._database = database
        self._clock = clock
        self._liveness = liveness
        self._current = self.prepare(config)

    def prepare(self, config: Config) -> ConfiguredApp:
        """Make the application of a configuration, for :meth:`switch`; raises ConfigError if it cannot be served."""
        board = Board(self._database, config, self._clock)
        health = Health(self._database, config, self._liveness)
        return ConfiguredApp(create_app(self._database, config, self._clock, board, health), board)

    def switch(self, made: ConfiguredApp) -> None:
        """Serve another application from the next request on."""
        made.board.start()
        before, self._current = self._current, made
        before.board.stop()

    def start(self) -> None:
        """Start reading the breakers."""
        self._current.board.start()

    def stop(self) -> None:
        """Stop reading the breakers."""
        self._current.board.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await self._current.app(scope, receive, send)
