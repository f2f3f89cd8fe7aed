"""What every web page is made from."""

from __future__ import annotations

from monitor.config.models import Config
from monitor.core.clock import Clock
from monitor.store.database import Database
from monitor.web.templating import Renderer


class WebPage:
    """A web page, rendered from committed state.

    Parameters
    ----------
    database, config, clock, renderer
        As for :func:`monitor.web.app.create_app`.
    """

    def __init__(self, database: Database, config: Config, clock: Clock, renderer: Renderer) -> None:
        self._database = database
        self._config = config
        self._names = [monitor.name for monitor in config.monitors]
        self._clock = clock
        self._renderer = renderer
