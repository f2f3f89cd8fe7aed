"""Make the receivers of a configuration, with what they need of other layers."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.actions.receivers import make_receivers
from monitor.actions.receivers.base import ChartReceiver, Receiver
from monitor.config.models import Config
from monitor.config.receivers import ReceiverConfig
from monitor.core.clock import Clock
from monitor.store.database import Database


def make_connected_receivers(
    database: Database, config: Config, clock: Clock, kept: Mapping[str, Receiver] | None = None
) -> dict[str, Receiver]:
    """Return the receivers by name, ``kept`` ones among them; those that upload charts can draw them."""
    kept = kept or {}
    made = make_receivers({name: one for name, one in config.receivers.items() if name not in kept})
    receivers = {name: kept.get(name) or made[name] for name in config.receivers}
    drawing = [one for one in receivers.values() if isinstance(one, ChartReceiver) and one.uploads_charts]
    if drawing:
        from monitor.web.picture import ChartPictures

        pictures = ChartPictures(database, config, clock)
        for receiver in drawing:
            receiver.use_charts(pictures.draw)
    return receivers


def find_kept(
    receivers: Mapping[str, Receiver], configs: Mapping[str, ReceiverConfig], config: Config
) -> dict[str, Receiver]:
    """Return the running receivers that have the same settings in another configuration."""
    same = {name for name, one in config.receivers.items() if configs.get(name) == one}
    return {name: receiver for name, receiver in receivers.items() if name in same}
