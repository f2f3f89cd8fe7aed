"""By how much each value of a column departs from the baseline, to choose examples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sqlalchemy.engine import Connection

from detectors.binning import COUNTED, Binning
from detectors.split_attribution import measure_score
from monitor.alerting.row_counts import count_rows
from monitor.config.models import Monitor
from monitor.core.incident import Incident
from monitor.store.distributions import load_worst


@dataclass(frozen=True)
class ColumnScores:
    """By how much the values of a column depart from the baseline, by bin; the last one is for values not usable."""

    column: str
    layout: Binning
    scores: np.ndarray


def load_scores(connection: Connection, monitor: Monitor, incident: Incident) -> ColumnScores | None:
    """Return the scores of the worst column of an incident; None if its distributions are not stored any more."""
    for column, before, now in load_worst(connection, monitor, incident):
        old, new = before.get(None), now.get(None)
        if old is not None and new is not None and new.layout.kind in COUNTED:
            ordered = new.layout.kind == "numeric"
            return ColumnScores(column, new.layout, measure_score(count_rows(old), count_rows(new), ordered=ordered))
    return None
