"""What was decided about an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from detectors.base import Finding
from monitor.alerting.verdicts import VerdictChange
from monitor.core.incident import Decision


@dataclass(frozen=True)
class Decisions:
    """The findings with explanations, the decisions about incidents, and the verdicts to announce."""

    findings: Sequence[Finding] = ()
    incidents: Sequence[Decision] = ()
    verdicts: Sequence[VerdictChange] = ()
