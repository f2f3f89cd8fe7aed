"""Make the receivers of a configuration, with what they need of other layers."""

from __future__ import annotations

from monitor.actions.receivers import make_receivers
from monitor.actions.receivers.base import ChartReceiver, Receiver
from monitor.config.models import Config
from monitor.core.clock import Clock
from monitor.store.database import Database


def make_connected_receivers(database: Database, config: Config, clock: Clock) -> dict[str, Receiver]:
    """Return the receivers by name; those that upload charts can draw them."""
    receivers = make_receivers(config.receivers)
    drawing = [one for one in receivers.values() if isinstance(one, ChartReceiver) and one.uploads_charts]
    if drawing:
        from monitor.web.picture import ChartPictures

        pictures = ChartPictures(database, config, clock)
        for receiver in drawing:
            receiver.use_charts(pictures.draw)
    return receivers
