"""Prometheus metrics of committed state, so that a restart loses nothing: the rows of `monitor.metrics`.

Labels come from the configuration, the watched columns and the capped segments, never from raw rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import structlog
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from monitor import __version__
from monitor.config.models import Config
from monitor.metrics import list_metrics
from monitor.metrics.base import make_family
from monitor.store.database import Database, DatabaseError
from monitor.store.reads import snapshot

LOG = structlog.get_logger(__name__)


class StateCollector(Collector):
    """Reads the store at every scrape; if it is down, the scrape succeeds with `driftd_store_up 0`.

    Parameters
    ----------
    refuses
        Returns whether the store refused the last write of this process although it may still be read.
    """

    def __init__(self, database: Database, config: Config, refuses: Callable[[], bool] = lambda: False) -> None:
        self._database = database
        self._config = config
        self._refuses = refuses

    def collect(self) -> Iterator[Metric]:
        """Yield every metric family."""
        info = GaugeMetricFamily("driftd_build_info", "Version of driftd.", labels=["version"])
        info.add_metric([__version__], 1)
        yield info
        up = GaugeMetricFamily("driftd_store_up", "1 when our own database answered this scrape and accepts writes.")
        try:
            state = snapshot(self._database, self._config)
        except DatabaseError as error:
            LOG.warning("store_down", error=type(error).__name__)
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 0 if self._refuses() else 1)
        yield up
        for row in list_metrics():
            yield make_family(row, row.samples(state))
