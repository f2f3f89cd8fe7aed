"""What was decided about an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from detectors.base import Finding
from monitor.alerting.effect_outcome import EffectOutcome
from monitor.alerting.verdicts import VerdictChange
from monitor.core.incident import Decision


@dataclass(frozen=True)
class Decisions:
    """The findings with explanations, the decisions about incidents, and the verdicts to announce.

    Parameters
    ----------
    outcomes
        By incident, how its findings are on the traffic after its last effect.
    """

    findings: Sequence[Finding] = ()
    incidents: Sequence[Decision] = ()
    verdicts: Sequence[VerdictChange] = ()
    outcomes: Mapping[str, EffectOutcome] = field(default_factory=dict)
