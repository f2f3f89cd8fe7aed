"""Configuration of budgets."""

from __future__ import annotations

from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from monitor.config.checks.base import AlsoAccepts, CheckConfig, Columns
from monitor.config.sections import Section


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise PydanticCustomError("zone", "an IANA zone is wanted, such as Europe/Berlin or UTC") from None
    return name


class SpendLimit(Section):
    """What one value of `by:` may cost, instead of what all others may."""

    daily: float | None = Field(None, gt=0)
    """In a day."""
    monthly: float | None = Field(None, gt=0)
    """In a month."""


class SpendConfig(CheckConfig):
    """Compares what requests cost with budgets in days and months."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [{"required": [key]} for key in ("daily", "monthly", "limits", "per_request_tokens")]
        }
    )

    kind: SkipJsonSchema[str] = "spend"
    columns: Columns = "auto"
    """`auto`, or a list of the one column that says what a request cost."""
    daily: float | None = Field(None, gt=0)
    """What a day may cost, in the currency of the account."""
    monthly: float | None = Field(None, gt=0)
    """What a month may cost; burn rates tell early when it will not last."""
    by: str | None = None
    """A column, such as `tenant`; `daily:` and `monthly:` are then what each of its values may cost."""
    limits: dict[str, Annotated[SpendLimit, AlsoAccepts({"type": "number"})]] = {}
    """Values of `by:` that may cost more or less; a number, or `{daily: …, monthly: …}`."""
    max_values: int = Field(100, ge=1, le=1000)
    """Values of `by:` kept apart in a bucket, those with limits, then the dearest; the rest is `(other)`."""
    per_request_tokens: int | None = Field(None, ge=1)
    """What one request may use, in and out; `threshold:` is the share of requests that may use more."""
    threshold: float | None = Field(None, gt=0)
    """The share of requests that may use more than `per_request_tokens:`."""
    zone: Annotated[str, AfterValidator(_zone)] = "UTC"
    """The IANA zone in which days and months begin."""
    currency: str = "USD"
    """Of the account, for sentences."""

    @model_validator(mode="before")
    @classmethod
    def _is_whole(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """Insist on a budget, and read a limit that is a number as one for the only period there is."""
        periods = [period for period in ("daily", "monthly") if settings.get(period) is not None]
        limits = settings.get("limits") or {}
        if not periods and not limits and settings.get("per_request_tokens") is None:
            wanted = "a budget needs `daily:`, `monthly:` or `per_request_tokens:`, such as `- spend: {daily: 200}`"
            raise PydanticCustomError("check", wanted)
        if limits and not settings.get("by"):
            wanted = "`limits:` needs `by:`, the column whose values they are, such as `by: tenant`"
            raise PydanticCustomError("check", wanted)
        if not isinstance(limits, dict):
            return settings
        plain = [value for value, limit in limits.items() if isinstance(limit, int | float)]
        if plain and len(periods) != 1:
            wanted = "say whether the limit of {value} is `daily:` or `monthly:`, as a mapping: a number alone does not"
            raise PydanticCustomError("check", wanted, {"value": str(plain[0])})
        read = {str(value): {periods[0]: limit} if value in plain else limit for value, limit in limits.items()}
        return {**settings, "limits": read}

    def budget(self, period: str, value: str | None = None) -> float | None:
        """Return what a day or month may cost, in all or for one value of `by:`."""
        own = self.limits.get(value or "")
        amount = getattr(own, period) if own else None
        budget: float | None = getattr(self, period) if amount is None else amount
        return budget
