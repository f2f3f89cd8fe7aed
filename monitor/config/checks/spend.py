"""Configuration of `spend` checks, which compare costs with budgets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import ConfigDict, Field, PrivateAttr, model_validator
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from monitor.config.checks.base import AlsoAccepts, CheckConfig, Columns
from monitor.config.sections import Section, Zone

StoredForm = Callable[[str], str]
"""Returns a value as it is stored, see :mod:`monitor.sources.protection`."""


def _unchanged(value: str) -> str:
    return value


class SpendLimit(Section):
    """Budget of one value of `by:`."""

    daily: float | None = Field(None, gt=0)
    """Budget of a day."""
    monthly: float | None = Field(None, gt=0)
    """Budget of a month."""


class SpendConfig(CheckConfig):
    """Compares the cost of requests with daily and monthly budgets."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [{"required": [key]} for key in ("daily", "monthly", "limits", "per_request_tokens")]
        }
    )

    kind: SkipJsonSchema[str] = "spend"
    columns: Columns = "auto"
    """`auto`, or a list with the one column that holds the cost of a request."""
    daily: float | None = Field(None, gt=0)
    """Budget of a day, in `currency`."""
    monthly: float | None = Field(None, gt=0)
    """Budget of a month, in `currency`; burn rates and a forecast alert before it is exhausted."""
    by: str | None = None
    """Column, such as `tenant`, for each of whose values `daily:` and `monthly:` are a separate budget."""
    limits: dict[str, Annotated[SpendLimit, AlsoAccepts({"type": "number"})]] = {}
    """Budgets of single values of `by:`: a number, or `{daily: …, monthly: …}`."""
    max_values: int = Field(100, ge=1, le=1000)
    """Maximum number of values of `by:` per bucket: those with limits, then the costliest; the rest is `(other)`."""
    per_request_tokens: int | None = Field(None, ge=1)
    """Maximum number of input and output tokens of a request; `threshold:` is the accepted share of larger requests."""
    threshold: float | None = Field(None, gt=0)
    """Accepted share of requests with more tokens than `per_request_tokens:`."""
    zone: Zone = "UTC"
    """IANA time zone in which days and months begin."""
    currency: str = "USD"
    """Currency of the costs, for messages."""

    _stored: StoredForm = PrivateAttr(default_factory=lambda: _unchanged)
    _limits: dict[str, SpendLimit] | None = PrivateAttr(None)

    @model_validator(mode="before")
    @classmethod
    def _is_whole(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """Require a budget, and convert a limit that is a number to a limit of the only configured period."""
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
            wanted = "write the limit of {value} as a mapping with `daily:` or `monthly:`; a number alone is ambiguous"
            raise PydanticCustomError("check", wanted, {"value": str(plain[0])})
        read = {str(value): {periods[0]: limit} if value in plain else limit for value, limit in limits.items()}
        return {**settings, "limits": read}

    def with_stored_form(self, stored: StoredForm) -> SpendConfig:
        """Return a copy whose values of `by:` are stored in another form."""
        copy = self.model_copy()
        copy._stored, copy._limits = stored, None
        return copy

    @property
    def stored_limits(self) -> Mapping[str, SpendLimit]:
        """Return `limits:` by value as it is stored; the first use may read the store, for the key of pseudonyms."""
        if self._limits is None:
            self._limits = {self._stored(value): limit for value, limit in self.limits.items()}
        return self._limits

    def budget(self, period: str, value: str | None = None) -> float | None:
        """Return the budget of a period (`daily` or `monthly`), in total or for one value of `by:`; None if not set."""
        own = self.stored_limits.get(value or "")
        amount = getattr(own, period) if own else None
        budget: float | None = getattr(self, period) if amount is None else amount
        return budget
