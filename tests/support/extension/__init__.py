"""A detector, a signal, a preset and a metric of somebody else, each in a file of its own and registered by one line.

Loaded as a plugin of pytest (`-p tests.support.extension`), before anything else of the program is imported.
"""

from __future__ import annotations

from detectors import DRIFT, SIGNALS
from monitor.config.presets import PRESETS
from monitor.metrics import METRIC_GROUPS

DRIFT.entries["doubled_gap"] = "tests.support.extension.detector:DETECTOR"
SIGNALS.entries["exclamations"] = "tests.support.extension.signal:SIGNAL"
PRESETS.entries["callbook"] = "tests.support.extension.preset:PRESET"
METRIC_GROUPS.entries["extension"] = "tests.support.extension.metric:ROWS"
