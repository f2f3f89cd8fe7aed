"""Stand-ins for a test of Evidently; here so that the child that runs one imports nothing else."""

from __future__ import annotations

import os
import time

from monitor.checks import evidently
from monitor.checks.evidently import Request, StatTestResult


def hang(_: Request) -> StatTestResult:
    """Never end."""
    time.sleep(600)
    return StatTestResult()


def agree(_: Request) -> StatTestResult:
    """Find a drift."""
    return StatTestResult(drifted=True)


def die(_: Request) -> StatTestResult:
    """End the child as the system may."""
    os._exit(3)


def environment(_: Request) -> StatTestResult:
    """Answer with the names of the child's environment."""
    return StatTestResult(error=",".join(sorted(os.environ)))


def no_evidently(_: Request) -> StatTestResult:
    """Answer as a child does that cannot import Evidently."""
    return StatTestResult(error=evidently.MISSING)
