"""Receivers: where messages and effects are sent, one folder a kind.

To add a kind: a folder with its configuration model, transport and templates, and one line in
`monitor.config.receivers.RECEIVERS`.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping

from monitor.actions.receivers.base import Receiver
from monitor.config.receivers import RECEIVERS, ReceiverConfig

__all__ = ["make_receivers"]


def make_receivers(configs: Mapping[str, ReceiverConfig]) -> dict[str, Receiver]:
    """Make the receivers of a configuration, by the name that rules use."""
    return {name: _make(config) for name, config in configs.items()}


def _make(config: ReceiverConfig) -> Receiver:
    make: Callable[[ReceiverConfig], Receiver] = pkgutil.resolve_name(RECEIVERS[config.kind])
    return make(config)
