"""The command line of driftd: a module per command, or per group of commands."""

from monitor.cli.root import app, main

__all__ = ["app", "main"]
