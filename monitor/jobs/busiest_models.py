"""Find the models with the most requests in a range, read from the source."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from detectors.binning import to_categories
from monitor.config.models import ConfigError, Monitor
from monitor.sources.base import Reader, read_in_steps
from monitor.sources.protection import Protection
from monitor.sources.traffic_roles import keep_monitored, role_columns


def busiest_models(reader: Reader, monitor: Monitor, first: datetime, last: datetime, most: int) -> list[str]:
    """Return the models with the most requests."""
    schema = reader.schema()
    if "model_version" not in schema:
        raise ConfigError("savings: map `model_version` under `columns:`; prices are looked up by model.")
    counted, protection = Counter[str](), Protection.of(monitor)
    columns = list(dict.fromkeys(["model_version", *role_columns(monitor, schema)]))
    for page in read_in_steps(reader, columns, first, last):
        served = protection.protect(keep_monitored(page, monitor), ["model_version"])
        counted.update(name for name in to_categories(served["model_version"]) if name)
    return [name for name, _ in counted.most_common(most)]
