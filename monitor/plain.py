"""Plain data, for JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any


def plain(value: Any) -> Any:  # noqa: ANN401
    """Return what JSON can say: times as ISO 8601, rows as mappings, what is not finite as null."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if hasattr(value, "_mapping"):
        return plain(dict(value._mapping))
    if isinstance(value, list | tuple | set):
        return [plain(item) for item in value]
    return value
