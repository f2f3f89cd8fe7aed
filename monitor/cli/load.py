"""Read driftd.yaml with all the kinds that this installation has."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from monitor.config.models import Config


def load(path: Path, environment: dict[str, str] | None = None) -> Config:
    """Read and check a configuration file; raises :class:`ConfigError` with every problem.

    The registry of check kinds imports their detectors, so a command that reads no file does not import it.
    """
    from monitor.checks.registry import config_models
    from monitor.config.load import load as read

    return read(path, environment, config_models())
