"""Presets: log tables of common tools, as names and SQL. To add one: one file, and one line here.

The values of the setting, of `driftd init --preset` and docs/presets.md are generated from this list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from detectors.registry import Registry

if TYPE_CHECKING:
    from monitor.config.presets.base import Preset

PRESETS: Registry[Preset] = Registry(
    {
        "litellm": "monitor.config.presets.litellm:PRESET",
        "langfuse-v2": "monitor.config.presets.langfuse_v2:PRESET",
        "langfuse-v3": "monitor.config.presets.langfuse_v3:PRESET",
        "mlflow": "monitor.config.presets.mlflow:PRESET",
        "phoenix": "monitor.config.presets.phoenix:PRESET",
        "otel": "monitor.config.presets.otel:PRESET",
        "databricks": "monitor.config.presets.databricks:PRESET",
    }
)
