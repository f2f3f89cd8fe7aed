"""Base classes of the configuration models of check kinds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue, SkipJsonSchema
from pydantic_core import CoreSchema

from monitor.config.sections import Section
from monitor.config.traffic import TRAFFIC_ROLES, TrafficRole

Columns = Literal["auto"] | list[str]
ANY_KIND = ("columns", "method", "threshold", "max_increase", "min_samples", "segments")
"""Keys that every kind accepted in earlier versions. A kind without such a key ignores it, with a warning."""


@dataclass(frozen=True)
class AlsoAccepts:
    """Adds short forms that a validator accepts to the JSON schema of a value."""

    form: Mapping[str, object]

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the schema of the short form or of the value."""
        return {"anyOf": [dict(self.form), handler(schema)]}


class CheckConfig(Section):
    """Settings that all checks have in common."""

    renamed: ClassVar[Mapping[str, str]] = {}
    """Old keys that still work, and the keys that replace them."""

    kind: SkipJsonSchema[str]
    """Set by the key of the check."""
    name: str | None = None
    """Name in rules and metrics; default: the kind of the check."""
    traffic: list[TrafficRole] = Field(["served"], min_length=1)
    """Roles of the records that it looks at: `served`, `shadow`, `experiment`, `evaluation`, `probe`. Checks of other
    traffic than `served` run in a monitor of their own."""

    @classmethod
    def key_names(cls) -> list[str]:
        """Return the keys of the kind, as written in the file."""
        return [field.alias or name for name, field in cls.model_fields.items() if name != "kind"]

    @classmethod
    def old_keys(cls, settings: Mapping[str, object]) -> dict[str, str | None]:
        """Return the deprecated keys among the settings, each with the key that replaces it, or None."""
        ignored = [key for key in ANY_KIND if key not in cls.key_names() and key not in cls.renamed]
        replaced: dict[str, str | None] = {**dict.fromkeys(ignored), **cls.renamed}
        return {key: replaced[key] for key in settings if key in replaced}

    @property
    def finding_name(self) -> str:
        """Return the name under which its findings are recorded."""
        return self.name or self.kind

    @property
    def roles(self) -> tuple[TrafficRole, ...]:
        """Return the roles of the records that it looks at, in a fixed order."""
        return tuple(role for role in TRAFFIC_ROLES if role in self.traffic)

    def expand(self) -> Sequence[CheckConfig]:
        """Return the checks that the entry expands to: itself, unless it is a group."""
        return [self]


class MeasuredConfig(CheckConfig):
    """A check that measures columns, over all traffic and by segment."""

    threshold: float | None = Field(None, gt=0)
    """Fixed threshold in the unit of the method; replaces the learnt one."""
    min_samples: int | None = Field(None, ge=1)
    """Minimum number of values on either side; with fewer the result is inconclusive."""
    segments: bool = True
    """Whether each segment is checked separately, besides all traffic."""

    def fixed_threshold(self, method: str) -> float | None:
        """Return the configured threshold of a method, if any."""
        return self.threshold


class IncreaseConfig(MeasuredConfig):
    """A check whose statistic may be a share or a rate."""

    max_increase: float | None = Field(None, gt=0, le=1)
    """Threshold of shares and rates: accepted increase over the baseline, such as 0.05 for 5 percentage points."""

    def fixed_threshold(self, method: str) -> float | None:
        """Return the configured threshold of a method, if any."""
        return self.threshold or self.max_increase


def one_or_more(names: Sequence[str]) -> dict[str, Any]:
    """Return the JSON schema of `auto`, one of several names, or a list of them."""
    return {"anyOf": [{"enum": ["auto", *names]}, {"type": "array", "items": {"enum": list(names)}}]}


def as_list(value: object) -> object:
    """Convert a single name to a list; `auto` is not changed."""
    return [value] if isinstance(value, str) and value != "auto" else value
