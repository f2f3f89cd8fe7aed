"""Log tables that teams already have: names and SQL, no behaviour. To add one: a file and a line here.

The names of the settings, of `driftd init --preset` and of docs/presets.md follow from this list.
"""

from __future__ import annotations

from monitor.config.presets import databricks, langfuse_v2, langfuse_v3, litellm, mlflow, otel, phoenix
from monitor.config.presets.base import Preset

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        litellm.PRESET,
        langfuse_v2.PRESET,
        langfuse_v3.PRESET,
        mlflow.PRESET,
        phoenix.PRESET,
        otel.PRESET,
        databricks.PRESET,
    )
}
