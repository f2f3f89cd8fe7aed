"""`driftd version`: print the version."""

from __future__ import annotations

from monitor import __version__
from monitor.cli.output import echo


def version() -> None:
    """Print the version."""
    echo(__version__)
