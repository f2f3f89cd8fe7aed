"""Configuration of `performance` checks."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from detectors import PERFORMANCE
from monitor.config.checks.base import IncreaseConfig, as_list, one_or_more
from monitor.config.sections import Duration


def _check_metrics(methods: Literal["auto"] | list[str]) -> Literal["auto"] | list[str]:
    for method in [] if methods == "auto" else methods:
        if method not in PERFORMANCE:
            raise PydanticCustomError("word", "{key}", {"key": method, "allowed": sorted(PERFORMANCE)})
    return methods


class PerformanceConfig(IncreaseConfig):
    """Compares the metrics of a classifier or a regression with the baseline's, with labels or estimated."""

    kind: SkipJsonSchema[str] = "performance"
    method: Annotated[
        Literal["auto"] | list[str],
        BeforeValidator(as_list),
        AfterValidator(_check_metrics),
        WithJsonSchema(one_or_more(list(PERFORMANCE))),
    ] = "auto"
    """`auto`, or a list of metrics."""
    labels_after: Duration = timedelta(0)
    """Delay until labels have arrived; metrics that need labels are computed for windows that ended that long ago."""
    positive: str | None = None
    """Label of the positive class; default: true, 1 or yes."""
    decision: float = Field(0.5, ge=0, le=1)
    """Score from which a prediction counts as positive."""
