"""Sample a window and its baseline from the source, for `driftd report` and `driftd drilldown`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from detectors.binning import Binning
from monitor.baselines.learning_range import baseline_range
from monitor.cli.connections import open_reader
from monitor.config.models import ConfigError, Monitor
from monitor.core.schedule import floor
from monitor.jobs.learn_layouts import learn_layouts
from monitor.jobs.report import sample

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class WindowSamples:
    """Rows of the baseline and of the window, and the bins of their columns."""

    baseline: pd.DataFrame
    window: pd.DataFrame
    layouts: Mapping[str, Binning]
    start: datetime
    end: datetime


def load_samples(monitor: Monitor, at: datetime | None) -> WindowSamples:
    """Sample the window that ends at ``at`` (default: now) and the baseline that it is compared with."""
    if monitor.baseline.file is not None:
        raise ConfigError("the rows of a baseline `file:` are not sampled; give it as `from:` and `to:` or `rolling:`.")
    with open_reader(monitor) as reader:
        end = floor(at or reader.now(), monitor.bucket)
        first = end - monitor.window
        start, stop = baseline_range(monitor, first)
        layouts = learn_layouts(reader, monitor, start, stop)
        before = sample(reader, monitor, layouts, start, stop)
        now = sample(reader, monitor, layouts, first, end)
    if before.empty or now.empty:
        side = "baseline" if before.empty else "window"
        raise ConfigError(f"the {side} has no rows to compare; choose another --at.")
    return WindowSamples(before, now, layouts, first, end)
