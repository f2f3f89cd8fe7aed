"""What a request cost: as logged, else by a list of prices, else by the operator's own, else not known.

Not known is a state of its own and never zero: a request that cannot be priced must not look free.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal

import numpy as np

Source = Literal["logged", "own", "list", "unpriced"]
MILLION = 1e6
PROVIDERS = {
    "azure_openai": "azure", "azure_ai": "azure", "bedrock": "aws", "bedrock_converse": "aws", "sagemaker": "aws",
    "vertex_ai": "google", "gemini": "google", "vertex": "google", "gcp": "google", "google_vertexai": "google",
    "together_ai": "together", "fireworks_ai": "fireworks", "xai": "x-ai", "mistralai": "mistral",
    "az.ai.openai": "azure",
    "azure.ai.openai": "azure", "aws.bedrock": "aws", "gcp.vertex_ai": "google", "gcp.gemini": "google",
    "mistral_ai": "mistral", "perplexity_ai": "perplexity",
}  # fmt: skip
"""Names that gateways and OpenTelemetry give to providers, by those of the list."""
_DATE = re.compile(r"[-@](20\d{2}-?\d{2}-?\d{2}|latest|preview)$")


@dataclass(frozen=True)
class Tokens:
    """Token counts of many requests, float64 of shape (requests,); NaN where a count is not logged.

    Parameters
    ----------
    input, output
        All of them: ``input`` includes what was read from or written to a cache, ``output`` includes reasoning.
    cached, written
        Input tokens read from the provider's cache, and written to it.
    """

    input: np.ndarray
    output: np.ndarray
    cached: np.ndarray | None = None
    written: np.ndarray | None = None

    def part(self, name: str) -> np.ndarray:
        """Return a count with 0 where it is not logged, and at most the whole input."""
        held = getattr(self, name)
        if held is None:
            return np.zeros(len(self.input))
        return np.asarray(np.minimum(np.nan_to_num(np.maximum(held, 0.0)), np.nan_to_num(self.input)))


@dataclass(frozen=True)
class OwnPrice:
    """A price of the operator's own, in the currency of the account.

    Parameters
    ----------
    input, output, cached
        Of a million tokens; cached input costs as any other unless it is given.
    request
        Of each request, on top.
    """

    input: float = 0.0
    output: float = 0.0
    cached: float | None = None
    request: float = 0.0

    @classmethod
    def of_machines(
        cls, hourly: float, tokens_per_second: float, machines: int = 1, utilisation: float = 1.0
    ) -> OwnPrice:
        """Return what a million output tokens cost on machines of one's own.

        Parameters
        ----------
        hourly
            Of one machine or GPU, on demand or spot.
        tokens_per_second
            Of all machines together, at full load with the usual batches.
        utilisation
            Share of the time in which they are at full load: idle hours are paid too.

        Examples
        --------
        >>> round(OwnPrice.of_machines(hourly=2.0, tokens_per_second=1000, utilisation=0.5).output, 3)
        1.111
        """
        if not (hourly >= 0 and tokens_per_second > 0 and machines > 0 and 0 < utilisation <= 1):
            raise ValueError(
                "machines need an hourly price of at least 0, tokens per second above 0, and a utilisation of 0 to 1."
            )
        return cls(output=hourly * machines / 3600 / (tokens_per_second * utilisation) * MILLION)


@dataclass(frozen=True)
class Priced:
    """Cost of each request, NaN where it is not known, and where each comes from; both of shape (requests,)."""

    cost: np.ndarray
    source: np.ndarray


def price(
    models: np.ndarray,
    tokens: Tokens,
    logged: np.ndarray | None = None,
    providers: np.ndarray | None = None,
    times: np.ndarray | None = None,
    own: Mapping[str, OwnPrice] | None = None,
    rate: float = 1.0,
) -> Priced:
    """Price many requests.

    A logged cost above 0 is taken as it is. A logged 0 counts only where the operator's own price or the list says
    that the model is free: gateways log 0 for what they cannot price.

    Parameters
    ----------
    models, providers
        Names as logged, object of shape (requests,); a provider may also stand before the model (``azure/gpt-4o``).
    logged
        Cost as logged, in the currency of the account; NaN where it is not.
    times
        Seconds since 1970: the list knows what prices were on a day. None for today's latest.
    own
        Prices by model, which win over the list.
    rate
        Of one US dollar in the currency of the account: the list is in dollars.

    Limits
    ------
    The list is that of the installed genai-prices: newer models are unpriced until it is upgraded. Discounts, batches
    and commitments are not in it: give your own prices. Audio and image tokens are priced as text.

    References
    ----------
    pydantic/genai-prices (MIT licence), a list of dated prices.

    Examples
    --------
    >>> told = price(np.array(["gpt-4o", "nobody-1"]), Tokens(np.full(2, 1e6), np.zeros(2)))
    >>> told.cost.tolist(), told.source.tolist()
    ([2.5, nan], ['list', 'unpriced'])
    """
    own, count = own or {}, len(models)
    cost, source = np.full(count, np.nan), np.full(count, "unpriced", dtype=object)
    days = np.full(count, -1, dtype=np.int64) if times is None else (np.asarray(times) // 86_400).astype(np.int64)
    whose = np.full(count, "", dtype=object) if providers is None else providers
    for members, model, provider, day in _alike(models, whose, days):
        few = Tokens(*(None if part is None else part[members] for part in vars(tokens).values()))  # type: ignore[arg-type]
        if model in own:
            cost[members], source[members] = _by_own(own[model], few), "own"
        else:
            found = _by_list(model, provider, day, few)
            if found is not None:
                cost[members], source[members] = found * rate, "list"
    source[np.isnan(cost)] = "unpriced"
    if logged is not None:
        known = np.isfinite(logged) & ((logged > 0) | ((logged == 0) & (cost == 0)))
        cost[known], source[known] = logged[known], "logged"
    return Priced(cost, source)


def _alike(models: np.ndarray, providers: np.ndarray, days: np.ndarray) -> list[tuple[np.ndarray, str, str, int]]:
    """Group requests of one model, provider and day."""
    groups: dict[tuple[str, str, int], list[int]] = {}
    for row, key in enumerate(zip(models.tolist(), providers.tolist(), days.tolist(), strict=True)):
        groups.setdefault((str(key[0]), "" if key[1] is None else str(key[1]), key[2]), []).append(row)
    return [(np.array(rows), *key) for key, rows in groups.items()]


def _by_own(tariff: OwnPrice, tokens: Tokens) -> np.ndarray:
    cached = tokens.part("cached")
    read = tariff.input if tariff.cached is None else tariff.cached
    paid = (tokens.input - cached) * tariff.input + cached * read + tokens.output * tariff.output
    return np.asarray(paid / MILLION + tariff.request)


@dataclass(frozen=True)
class Listed:
    """A tariff of the list.

    ``each`` are dollars a token: plain input, read from the cache, written to it, output; None where they depend on
    how many there are, so that the list must be asked each time.
    """

    tariff: Any
    each: tuple[float, float, float, float] | None


def _by_list(model: str, provider: str, day: int, tokens: Tokens) -> np.ndarray | None:
    """Return dollars by the list; None where it does not know the model."""
    found = _listed(model, provider, day)
    if found is None:
        return None
    cached, written = tokens.part("cached"), np.minimum(tokens.part("written"), tokens.input - tokens.part("cached"))
    if found.each is not None:
        plain, read, write, output = found.each
        return np.asarray(
            (tokens.input - cached - written) * plain + cached * read + written * write + tokens.output * output
        )
    columns = zip(tokens.input, cached, written, tokens.output, strict=True)
    return np.array([_exact(found.tariff, *(float(part) for part in row)) for row in columns])


def _exact(tariff: Any, whole: float, cached: float, written: float, output: float) -> float:  # noqa: ANN401
    """Ask the list itself, which knows tiers."""
    from genai_prices import Usage

    if not (whole >= 0 and output >= 0):
        return float("nan")
    told = {"input_tokens": round(whole), "output_tokens": round(output)}
    if cached:
        told["cache_read_tokens"] = round(cached)
    if written:
        told["cache_write_tokens"] = round(written)
    return float(tariff.calc_price(Usage(**told))["total_price"])


@lru_cache(maxsize=4096)
def _listed(model: str, provider: str, day: int) -> Listed | None:
    """Return the list's tariff for a model on a day."""
    from genai_prices import Usage, calc_price

    at = datetime.fromtimestamp(day * 86_400, UTC) if day >= 0 else None
    for name, whose in _spellings(model, provider):
        try:
            found = calc_price(
                Usage(input_tokens=1, output_tokens=1), model_ref=name, provider_id=whose, genai_request_timestamp=at
            )
        except (LookupError, ValueError):
            continue
        return Listed(found.model_price, _each(found.model_price))
    return None


def _each(tariff: Any) -> tuple[float, float, float, float] | None:  # noqa: ANN401
    from genai_prices.types import TieredPrices

    if any(isinstance(part, TieredPrices) for part in vars(tariff).values()):
        return None
    million = int(MILLION)
    asked = ((million, 0, 0, 0), (million, million, 0, 0), (million, 0, million, 0), (0, 0, 0, million))
    plain, read, write, output = (_exact(tariff, *one) / MILLION for one in asked)
    return plain, read, write, output


def _spellings(model: str, provider: str) -> list[tuple[str, str | None]]:
    """Return ways to look a model up: as written, without what gateways put before it, without its date.

    Examples
    --------
    >>> _spellings("azure/gpt-4o", "")[:2]
    [('gpt-4o', 'azure'), ('gpt-4o', None)]
    """
    parts = model.strip().lower().split("/")
    hint = provider.strip().lower() or (parts[0] if len(parts) > 1 else "")
    whose = PROVIDERS.get(hint, hint) or None
    names = dict.fromkeys([parts[-1], "/".join(parts[1:]) or parts[-1], model.strip()])
    bare = dict.fromkeys(_DATE.sub("", name) for name in names)
    listed = [*names, *(name for name in bare if name not in names)]
    return [(name, one) for name in listed for one in dict.fromkeys([whose, None])]
