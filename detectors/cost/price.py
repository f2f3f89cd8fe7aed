"""Cost of a request: as logged, else from a price list, else from the user's prices, else unknown.

Unknown is distinct from zero: a request that cannot be priced must not appear to be free.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal

import numpy as np

Source = Literal["logged", "own", "list", "failed", "unpriced"]
MILLION = 1e6
PROVIDERS = {
    "azure_openai": "azure",
    "azure_ai": "azure",
    "bedrock": "aws",
    "bedrock_converse": "aws",
    "sagemaker": "aws",
    "vertex_ai": "google",
    "gemini": "google",
    "vertex": "google",
    "gcp": "google",
    "google_vertexai": "google",
    "together_ai": "together",
    "fireworks_ai": "fireworks",
    "xai": "x-ai",
    "mistralai": "mistral",
    "az.ai.openai": "azure",
    "azure.ai.openai": "azure",
    "aws.bedrock": "aws",
    "gcp.vertex_ai": "google",
    "gcp.gemini": "google",
    "mistral_ai": "mistral",
    "perplexity_ai": "perplexity",
}
"""Names of providers in gateways and OpenTelemetry, by their names in the list."""
TOOLS = {"web_searches_kcount", "social_searches_kcount", "storage_searches_kcount", "code_executions_kcount"}
"""Prices of the list for calls of tools, which most requests do not make and logs do not count."""
_FREE = re.compile(r":free\b|\(free\)|free of charge|included in the subscription", re.IGNORECASE)
_DATE = re.compile(r"[-@](20\d{2}-?\d{2}-?\d{2}|latest|preview)$")


@dataclass(frozen=True)
class Tokens:
    """Token counts of many requests, float64 of shape (requests,); NaN if a count is not logged.

    Parameters
    ----------
    input, output
        Totals: ``input`` includes tokens read from or written to a cache, audio and images; ``output`` includes
        reasoning, audio and images.
    cached, written
        Input tokens read from the provider's cache, including audio, and written to it.
    cached_audio, input_audio, input_image
        Audio read from the cache, all audio, and images, as parts of the input.
    reasoning, output_audio, output_image
        Parts of the output.
    """

    input: np.ndarray
    output: np.ndarray
    cached: np.ndarray | None = None
    written: np.ndarray | None = None
    cached_audio: np.ndarray | None = None
    input_audio: np.ndarray | None = None
    input_image: np.ndarray | None = None
    reasoning: np.ndarray | None = None
    output_audio: np.ndarray | None = None
    output_image: np.ndarray | None = None

    def at(self, places: np.ndarray) -> Tokens:
        """Return the counts of some of the requests."""
        return Tokens(*(None if part is None else part[places] for part in vars(self).values()))  # type: ignore[arg-type]

    def kinds(self) -> dict[str, np.ndarray]:
        """Return the number of tokens by price kind; the kinds of a side add up to its total.

        Examples
        --------
        >>> counts = Tokens(np.array([10.0]), np.array([5.0]), np.array([4.0]), reasoning=np.array([9.0])).kinds()
        >>> {kind: count.tolist() for kind, count in counts.items()}
        {'input': [6.0], 'cached': [4.0], 'output': [0.0], 'reasoning': [5.0]}
        """
        audio = self._counted("cached_audio")
        prompt = {
            "cached_audio": audio,
            "cached": np.maximum(0.0, self._counted("cached") - audio),
            "written": self._counted("written"),
            "input_audio": np.maximum(0.0, self._counted("input_audio") - audio),
            "input_image": self._counted("input_image"),
        }
        completion = {kind: self._counted(kind) for kind in ("reasoning", "output_audio", "output_image")}
        return {**_share_out("input", self.input, prompt), **_share_out("output", self.output, completion)}

    def _counted(self, name: str) -> np.ndarray:
        """Return a count, 0 if it is missing or invalid."""
        counts = getattr(self, name)
        return np.zeros(len(self.input)) if counts is None else np.nan_to_num(np.maximum(counts, 0.0))


def _share_out(side: str, whole: np.ndarray, amounts: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Subtract each kind from the total of a side; the remainder is plain."""
    kinds, left = {}, whole.astype(np.float64)
    for kind, count in amounts.items():
        taken = np.minimum(count, np.nan_to_num(left))
        if taken.any():
            kinds[kind] = taken
            left = left - taken
    return {side: left, **kinds}


@dataclass(frozen=True)
class OwnPrice:
    """Price set by the user, in the currency of the account.

    Parameters
    ----------
    input, output
        Per million tokens.
    cached, written, cached_audio, input_audio, input_image, reasoning, output_audio, output_image
        Per million tokens of that kind; by default that of their side, for cached audio that of cached tokens.
    request
        Additional price per request.
    """

    input: float = 0.0
    output: float = 0.0
    cached: float | None = None
    request: float = 0.0
    written: float | None = None
    cached_audio: float | None = None
    input_audio: float | None = None
    input_image: float | None = None
    reasoning: float | None = None
    output_audio: float | None = None
    output_image: float | None = None

    def of(self, kind: str) -> float:
        """Return the price of a million tokens of a kind.

        Examples
        --------
        >>> price_of = OwnPrice(input=2.0, output=8.0, cached=0.5).of
        >>> price_of("cached_audio"), price_of("input_image"), price_of("reasoning")
        (0.5, 2.0, 8.0)
        """
        own: float | None = getattr(self, kind)
        if own is not None:
            return own
        if kind == "cached_audio" and self.cached is not None:
            return self.cached
        return self.output if kind in ("reasoning", "output_audio", "output_image") else self.input


@dataclass(frozen=True)
class Machines:
    """Own machines that serve requests.

    Parameters
    ----------
    hourly
        Price of one machine or GPU per hour, on demand.
    tokens_per_second
        Output rate of one request; or of all machines together, with ``batch`` 1.
    utilisation
        Average load relative to full load: idle hours are paid too.
    spot, spot_share
        Hourly price of spot or preemptible machines, and their share of the hours.
    batch
        Requests that all machines together process concurrently, on average at full load.
    input_tokens_per_second
        Input rate of all machines together; by default input takes no time.

    Examples
    --------
    >>> round(Machines(hourly=2.0, tokens_per_second=1000, utilisation=0.5).price().output, 3)
    1.111
    >>> round(Machines(2.0, 50, utilisation=0.5, spot=0.8, spot_share=0.5, batch=20).price().output, 3)
    0.778
    """

    hourly: float
    tokens_per_second: float
    machines: int = 1
    utilisation: float = 1.0
    spot: float | None = None
    spot_share: float = 0.0
    batch: float = 1.0
    input_tokens_per_second: float | None = None

    def price(self) -> OwnPrice:
        """Return the price of a million tokens."""
        sizes = (self.tokens_per_second, self.machines, self.utilisation, self.batch)
        if not (self.hourly >= 0 and all(size > 0 for size in sizes) and self.utilisation <= 1):
            raise ValueError(
                "machines need an hourly price of at least 0, tokens per second and a batch above 0, and a utilisation "
                "of 0 to 1."
            )
        if not (0 <= self.spot_share <= 1 and (self.spot_share == 0 or (self.spot is not None and self.spot >= 0))):
            raise ValueError("a `spot_share` of 0 to 1 needs the hourly price `spot`.")
        if self.input_tokens_per_second is not None and not self.input_tokens_per_second > 0:
            raise ValueError("`input_tokens_per_second` is above 0, or left out.")
        hour = self.hourly * (1 - self.spot_share) + (self.spot or 0.0) * self.spot_share
        second = hour * self.machines / 3600 / self.utilisation * MILLION
        read = 0.0 if self.input_tokens_per_second is None else second / self.input_tokens_per_second
        return OwnPrice(input=read, output=second / (self.tokens_per_second * self.batch))


@dataclass(frozen=True)
class PricedRequests:
    """Cost of each request, NaN if it is unknown, and its origin; both of shape (requests,)."""

    cost: np.ndarray
    source: np.ndarray


Rates = float | Sequence[tuple[int, float]]
"""Exchange rate of a US dollar: constant, or by the first day of validity (days since 1970)."""


@dataclass(frozen=True)
class Tariff:
    """Prices and currency of an account.

    Parameters
    ----------
    own
        Prices by model, which override the list, in the currency of the account.
    rate
        Of one US dollar in the currency of the account, as the list is in dollars. Days before the first have none.
    logged_in_dollars
        Whether logged costs are in dollars, too.
    """

    own: Mapping[str, OwnPrice] = field(default_factory=dict)
    rate: Rates = 1.0
    logged_in_dollars: bool = False


LIST_PRICES = Tariff()
"""Prices of the list, in dollars."""


def price(
    models: np.ndarray,
    tokens: Tokens,
    logged: np.ndarray | None = None,
    providers: np.ndarray | None = None,
    times: np.ndarray | None = None,
    failed: np.ndarray | None = None,
    tariff: Tariff = LIST_PRICES,
) -> PricedRequests:
    """Compute the cost of requests.

    Gateways log 0 if they have no price, so 0 is used only if a price states that the model is free. Models with list
    prices per other units than tokens and requests (seconds, characters, pages) are not priced, and neither are
    requests of a paid model without tokens.

    Parameters
    ----------
    models, providers
        Names as logged, object of shape (requests,); a provider may also precede the model (``azure/gpt-4o``).
    logged
        Logged cost, NaN if missing; used unchanged if above 0.
    times
        Seconds since 1970, for the prices and rates of that day. None for today's.
    failed
        Failed requests, bool of shape (requests,): they have the logged cost, else that of your own prices, else 0.
    tariff
        Prices and currency of the account.

    Limits
    ------
    The list is that of the installed genai-prices. It has no discounts, batches or commitments: set your own prices.
    Searches and other tools that a provider runs for a request are not included. Unless it is logged, the number of
    cached audio tokens is assumed to be the smallest possible.

    References
    ----------
    pydantic/genai-prices (MIT licence), a list of dated prices.

    Examples
    --------
    >>> price(np.array(["gpt-4o", "nobody-1"]), Tokens(np.full(2, 1e6), np.zeros(2))).cost.tolist()
    [2.5, nan]
    """
    own, count = tariff.own, len(models)
    cost, source = np.full(count, np.nan), np.full(count, "unpriced", dtype=object)
    days = np.full(count, -1, dtype=np.int64) if times is None else (np.asarray(times) // 86_400).astype(np.int64)
    whose = np.full(count, "", dtype=object) if providers is None else providers
    rates = _rates(tariff.rate, days)
    for members, model, provider, day in _alike(models, whose, days):
        few = tokens.at(members)
        if model in own:
            cost[members], source[members] = _by_own(own[model], few), "own"
        else:
            listed = _by_list(model, provider, day, few)
            if listed is not None:
                cost[members], source[members] = listed * rates[members], "list"
    source[np.isnan(cost)] = "unpriced"
    if failed is not None:
        free = failed & (source != "own")
        cost[free], source[free] = 0.0, "failed"
    priced = PricedRequests(cost, source)
    return priced if logged is None else _with_logged(priced, logged * rates if tariff.logged_in_dollars else logged)


def _with_logged(priced: PricedRequests, logged: np.ndarray) -> PricedRequests:
    is_logged = np.isfinite(logged) & ((logged > 0) | ((logged == 0) & (priced.cost == 0)))
    return PricedRequests(np.where(is_logged, logged, priced.cost), np.where(is_logged, "logged", priced.source))


def _rates(rate: Rates, days: np.ndarray) -> np.ndarray:
    """Return the rate of each request's day: that of the newest entry not after it; NaN before the first."""
    if isinstance(rate, int | float):
        return np.full(len(days), float(rate))
    table = sorted(rate)
    since, values = np.array([day for day, _ in table]), np.array([np.nan, *(value for _, value in table)])
    place = np.searchsorted(since, days, side="right")
    return np.asarray(values[np.where(days < 0, len(table), place)])


def _alike(models: np.ndarray, providers: np.ndarray, days: np.ndarray) -> list[tuple[np.ndarray, str, str, int]]:
    """Group requests by model, provider and day."""
    groups: dict[tuple[str, str, int], list[int]] = {}
    for row, key in enumerate(zip(models.tolist(), providers.tolist(), days.tolist(), strict=True)):
        groups.setdefault((str(key[0]), "" if key[1] is None else str(key[1]), key[2]), []).append(row)
    return [(np.array(rows), *key) for key, rows in groups.items()]


def _by_own(tariff: OwnPrice, tokens: Tokens) -> np.ndarray:
    paid = sum(count * tariff.of(kind) for kind, count in tokens.kinds().items())
    return np.asarray(paid / MILLION + tariff.request)


@dataclass(frozen=True)
class ListTariff:
    """Tariff of the list.

    ``each`` are dollars per token by kind; None if they depend on the number of tokens, so that the list computes each
    request. ``request`` is an additional price in dollars per request.
    """

    tariff: Any
    each: Mapping[str, float] | None
    request: float
    free: bool


KINDS: dict[str, tuple[str, ...]] = {
    "input": (),
    "cached": ("cache_read_tokens",),
    "written": ("cache_write_tokens",),
    "input_audio": ("input_audio_tokens",),
    "input_image": ("input_image_tokens",),
    "cached_audio": ("cache_read_tokens", "input_audio_tokens", "cache_audio_read_tokens"),
    "output": (),
    "reasoning": ("output_reasoning_tokens",),
    "output_audio": ("output_audio_tokens",),
    "output_image": ("output_image_tokens",),
}
"""Counts of the list that include a token of a kind, besides the total input or output."""
SIDE = {
    kind: "output_tokens" if place >= list(KINDS).index("output") else "input_tokens"
    for place, kind in enumerate(KINDS)
}


def _by_list(model: str, provider: str, day: int, tokens: Tokens) -> np.ndarray | None:
    """Return the cost in dollars by the list; None if the list has no price for a request of the model."""
    match = _list_tariff(model, provider, day)
    if match is None:
        return None
    kinds = tokens.kinds()
    if match.each is not None:
        cost = np.asarray(sum(count * match.each[kind] for kind, count in kinds.items())) + match.request
    else:
        rows = zip(*kinds.values(), strict=True)
        cost = np.array([_exact(match.tariff, dict(zip(kinds, map(float, row), strict=True))) for row in rows])
    return cost if match.free else np.where(cost == 0, np.nan, cost)


def _exact(tariff: Any, counts: Mapping[str, float]) -> float:  # noqa: ANN401
    """Compute the cost of one request with the list's own function, which supports tiers."""
    from genai_prices import Usage

    if not all(count >= 0 for count in counts.values()):
        return float("nan")
    token_counts = {"input_tokens": 0, "output_tokens": 0}
    for kind, count in counts.items():
        for name in (SIDE[kind], *KINDS[kind]) if count else ():
            token_counts[name] = token_counts.get(name, 0) + round(count)
    if "cache_read_tokens" in token_counts and "input_audio_tokens" in token_counts:
        token_counts.setdefault(
            "cache_audio_read_tokens", 0
        )  # the list rejects an unknown number of cached audio tokens
    return float(tariff.calc_price(Usage(**token_counts))["total_price"])


@lru_cache(maxsize=4096)
def _list_tariff(model: str, provider: str, day: int) -> ListTariff | None:
    """Return the list's tariff for a model on a day; None if token counts do not determine the price."""
    from genai_prices import Usage, calc_price

    at = datetime.fromtimestamp(day * 86_400, UTC) if day >= 0 else None
    for name, whose in _spellings(model, provider):
        try:
            calculated = calc_price(
                Usage(input_tokens=1, output_tokens=1), model_ref=name, provider_id=whose, genai_request_timestamp=at
            )
        except (LookupError, ValueError):
            continue
        tariff, units = calculated.model_price, _units(calculated.model_price)
        free = not units and _is_free(calculated.model) and _is_provider(calculated.provider.id, model, provider)
        if not (units or free) or not all(unit.endswith("_mtok") for unit in units - {"requests_kcount", *TOOLS}):
            return None
        request = _exact(tariff, {})
        return ListTariff(tariff, _each(tariff, request), request, free)
    return None


def _units(tariff: Any) -> set[str]:  # noqa: ANN401
    """Return the billed units of a tariff, such as ``input_mtok`` and ``audio_hours``."""
    return {unit for unit, amount in vars(tariff).items() if amount is not None and amount != 0}


def _is_free(model: Any) -> bool:  # noqa: ANN401
    """Return whether the list describes a model without a price as free; for some the price is unknown."""
    return _FREE.search(f"{model.id} {model.name} {model.price_comments} {model.description}") is not None


def _is_provider(owner: str, model: str, provider: str) -> bool:
    """Return whether a tariff is that of the requested provider, if one is named; others may charge."""
    whose = _provider(model, provider)
    return whose is None or whose == owner


def _each(tariff: Any, request: float) -> Mapping[str, float] | None:  # noqa: ANN401
    from genai_prices.types import TieredPrices

    if any(isinstance(part, TieredPrices) for part in vars(tariff).values()):
        return None
    return {kind: (_exact(tariff, {kind: MILLION}) - request) / MILLION for kind in KINDS}


def _provider(model: str, provider: str) -> str | None:
    """Return the list's name of a provider, as logged or as prefix of the model; None if there is neither."""
    before, _, name = model.strip().lower().partition("/")
    hint = provider.strip().lower() or (before if name else "")
    return PROVIDERS.get(hint, hint) or None


def _spellings(model: str, provider: str) -> list[tuple[str, str | None]]:
    """Return alternative names of a model: as logged, without the prefix of a gateway, without its date.

    Examples
    --------
    >>> _spellings("azure/gpt-4o", "")[:2]
    [('gpt-4o', 'azure'), ('gpt-4o', None)]
    """
    parts, whose = model.strip().lower().split("/"), _provider(model, provider)
    names = dict.fromkeys([parts[-1], "/".join(parts[1:]) or parts[-1], model.strip()])
    bare = dict.fromkeys(_DATE.sub("", name) for name in names)
    listed = [*names, *(name for name in bare if name not in names)]
    return [(name, one) for name in listed for one in dict.fromkeys([whose, None])]
