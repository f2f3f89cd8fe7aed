"""Configuration of drift checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema, model_validator
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from detectors import DRIFT, SEQUENTIAL
from monitor.config.checks.base import Columns, MeasuredConfig, as_list, one_or_more
from monitor.config.stattests import NOT_SUPPORTED, P_VALUES, PREFIX, STATTESTS

METHODS = (
    *DRIFT,
    *SEQUENTIAL,
    *(f"{PREFIX}{name}" for name in STATTESTS),
)


def _check_methods(methods: Literal["auto"] | list[str]) -> Literal["auto"] | list[str]:
    for method in [] if methods == "auto" else methods:
        name = method.removeprefix(PREFIX)
        if method != name and name in NOT_SUPPORTED:
            context = {"method": method, "why": NOT_SUPPORTED[name]}
            raise PydanticCustomError("stattest", "{method} cannot be run on a profile: {why}", context)
        if method not in METHODS:
            raise PydanticCustomError("word", "{key}", {"key": method, "allowed": sorted(METHODS)})
    return methods


class DriftConfig(MeasuredConfig):
    """Compares the distribution of each column with the baseline's."""

    renamed: ClassVar[Mapping[str, str]] = {"max_increase": "threshold"}

    kind: SkipJsonSchema[str] = "drift"
    columns: Columns = "auto"
    """`auto`, or a list of columns and signals."""
    method: Annotated[
        Literal["auto"] | list[str],
        BeforeValidator(as_list),
        AfterValidator(_check_methods),
        WithJsonSchema(one_or_more(METHODS)),
    ] = "auto"
    """`auto`, or a list of drift methods; `evidently:NAME` runs a statistical test of Evidently."""

    @model_validator(mode="after")
    def _p_values_below_one(self) -> DriftConfig:
        for method in [] if self.method == "auto" else self.method:
            if method.startswith(PREFIX) and method.removeprefix(PREFIX) in P_VALUES and (self.threshold or 0) >= 1:
                wanted = "the threshold of {method} is a p-value, as Evidently has it: give one below 1, such as 0.05"
                raise PydanticCustomError("stattest", wanted, {"method": method})
        return self
