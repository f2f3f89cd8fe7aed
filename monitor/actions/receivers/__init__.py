"""Receivers: destinations of messages and effects, one folder per kind.

To add a kind, add a folder with its configuration model, transport and templates, and a line in
`monitor.config.receivers.RECEIVERS`.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping

from monitor.actions.receivers.base import Receiver
from monitor.config.receivers import RECEIVERS, ReceiverConfig

__all__ = ["make_receivers"]


def make_receivers(configs: Mapping[str, ReceiverConfig]) -> dict[str, Receiver]:
    """Create the receivers of a configuration, by name."""
    return {name: _make(config) for name, config in configs.items()}


def _make(config: ReceiverConfig) -> Receiver:
    make: Callable[[ReceiverConfig], Receiver] = pkgutil.resolve_name(RECEIVERS[config.kind])
    return make(config)
