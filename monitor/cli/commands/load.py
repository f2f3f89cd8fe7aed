"""Read driftd.yaml with all the kinds that this installation has."""

from __future__ import annotations

from pathlib import Path

from monitor.checks.registry import config_models
from monitor.config.load import load as read
from monitor.config.models import Config


def load(path: Path, environment: dict[str, str] | None = None) -> Config:
    """Read and check a configuration file; raises :class:`ConfigError` with every problem."""
    return read(path, environment, config_models())
