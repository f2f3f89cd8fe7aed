"""Quiet streams of every column family and pathology, and changes that can be put into them. All are seeded.

Every stream is a baseline of 14 days (or what its kind says) and some live weeks, with the default bucket of 5 minutes
and window of an hour. It has six to nine columns of its kind, and the ordinary columns that every change goes into:
`normal`, `skewed`, `category`, `flag` (1 in 1e-3 of the rows), `error` (1 in 1 %) and `tenant` (`acme` has 12 %).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.detection.streams import (
    DAY,
    DAY_BUCKETS,
    HOUR,
    LEARN_DAYS,
    MINUTE,
    START,
    Stream,
    arrivals,
    categories,
    falling_shares,
    make_frame,
    volume,
)

ROWS = 400 / 12
"""Mean rows of a bucket: 400 an hour."""
LIVE_WEEKS = 8
DAY_US = 86_400_000_000
ORDINARY = ("normal", "skewed", "category", "flag", "error", "tenant")
TENANTS = {"acme": 0.12, "bolt": 0.4, "cargo": 0.25, "delta": 0.15, "echo": 0.08}
RARE = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)

Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class Rows:
    """When rows arrive: microseconds since `START` in order, the bucket of each, and what they came in, if anything.

    `group` is the number of the customer who sent a row, or of the batch that it belongs to; -1 is none.
    """

    times: np.ndarray
    group: np.ndarray

    @property
    def bucket(self) -> np.ndarray:
        return self.times // (DAY_US // DAY_BUCKETS)

    @property
    def day(self) -> np.ndarray:
        """Time of each row in days since `START`."""
        return self.times / DAY_US

    def __len__(self) -> int:
        return len(self.times)


def spread(rng: np.random.Generator, rate: np.ndarray) -> Rows:
    """Let independent rows arrive at a rate a bucket."""
    _, times = arrivals(rng, rate)
    return Rows(times, np.full(len(times), -1))


def together(rng: np.random.Generator, rows: Rows, starts: np.ndarray, sizes: np.ndarray, groups: np.ndarray) -> Rows:
    """Add bursts: `sizes` rows of `groups` within ten minutes from `starts` (in days) on."""
    times = np.repeat((starts * DAY_US).astype(np.int64), sizes) + rng.integers(0, 600_000_000, sizes.sum())
    every = np.concatenate([rows.times, times])
    order = np.argsort(every, kind="stable")
    return Rows(every[order], np.concatenate([rows.group, np.repeat(groups, sizes)])[order])


# ------------------------------------------------------------------------------------------------ when rows arrive


def usual(rng: np.random.Generator, days: int, rows: float = ROWS) -> Rows:
    """Half of the noon's traffic at night, every day the same."""
    return spread(rng, volume(days, rows, night=0.5, weekend=1.0))


def _customers(rng: np.random.Generator, days: int) -> Rows:
    """Three times a day one of 40 customers, the first of them far more often, sends about a thousand rows."""
    weights = 1 / np.arange(1, CUSTOMERS + 1)
    steady = usual(rng, days)
    steady = Rows(steady.times, rng.choice(CUSTOMERS, len(steady), p=weights / weights.sum()))
    starts = np.sort(rng.uniform(0, days - 0.01, rng.poisson(3 * days)))
    senders = rng.choice(CUSTOMERS, len(starts), p=weights / weights.sum())
    return together(rng, steady, starts, rng.poisson(1000, len(starts)), senders)


def _weekly(rng: np.random.Generator, days: int) -> Rows:
    return spread(rng, volume(days, ROWS, night=0.5, weekend=0.6))


def _batches(rng: np.random.Generator, days: int) -> Rows:
    """A batch of 2,000 rows within ten minutes after two o'clock, every day."""
    starts = np.arange(days) + 2 / 24
    return together(rng, usual(rng, days), starts, rng.poisson(2000, days), np.arange(days))


def _growing(rng: np.random.Generator, days: int) -> Rows:
    """Twice the traffic every five weeks."""
    bucket = np.arange(days * DAY_BUCKETS)
    return spread(rng, volume(days, ROWS / 2, night=0.5, weekend=1.0) * 2 ** (bucket / DAY_BUCKETS / 35))


def _with_gaps(rng: np.random.Generator, days: int) -> Rows:
    """Outages of about three hours, one in three days."""
    rate = volume(days, ROWS, night=0.5, weekend=1.0)
    bucket = np.arange(len(rate))
    for start, length in zip(rng.uniform(0, len(rate), rng.poisson(days / 3)), rng.exponential(36, days), strict=False):
        rate[(bucket >= start) & (bucket < start + length)] = 0
    return spread(rng, rate)


def _weekends(rng: np.random.Generator, days: int) -> Rows:
    rate = volume(days, ROWS, night=0.5, weekend=1.0)
    rate[np.arange(len(rate)) // DAY_BUCKETS % 7 < 5] = 0
    return spread(rng, rate)


def _tenfold(rng: np.random.Generator, days: int) -> Rows:
    """200 rows an hour in the baseline, 2,000 an hour afterwards."""
    rate = volume(days, ROWS / 2, night=0.5, weekend=1.0)
    rate[LEARN_DAYS * DAY_BUCKETS :] *= 10
    return spread(rng, rate)


def _twenty(rng: np.random.Generator, days: int) -> Rows:
    return spread(rng, np.full(days * DAY_BUCKETS, 20 / 12))


# --------------------------------------------------------------------------------------------------- column families

CUSTOMERS = 40


def ordinary(rng: np.random.Generator, rows: int) -> Columns:
    """Columns as most benchmarks have them, in the order of `ORDINARY`."""
    return {
        "normal": 10 + 2 * rng.standard_normal(rows),
        "skewed": np.exp(1 + 0.6 * rng.standard_normal(rows)),
        "category": categories(rng, falling_shares(4), rows),
        "flag": _flag(rng, 1e-3, rows),
        "error": _flag(rng, 1e-2, rows),
        "tenant": _named(rng, TENANTS, rows),
    }


def _flag(rng: np.random.Generator, share: float | np.ndarray, rows: int) -> np.ndarray:
    return (rng.random(rows) < share).astype(np.float64)


def _named(rng: np.random.Generator, shares: Mapping[str, float], rows: int) -> np.ndarray:
    names = np.array(list(shares), dtype=object)
    return np.asarray(names[rng.choice(len(names), rows, p=list(shares.values()))])


def smooth(rng: np.random.Generator, rows: Rows) -> Columns:
    count = len(rows)
    return {
        "uniform": rng.random(count),
        "wide": 1e6 + 1e5 * rng.standard_normal(count),
        "small": 1e-6 * rng.standard_normal(count),
        "exponential": rng.exponential(3.0, count),
        "beta": rng.beta(0.5, 0.5, count),
        "two_peaks": rng.standard_normal(count) + 6 * (rng.random(count) < 0.3),
    }


def constant(rng: np.random.Generator, rows: Rows) -> Columns:
    """Four constants, one of text, and three columns of which about one row in a million is another."""
    count = len(rows)
    text = np.full(count, "eu", dtype=object)
    nearly = text.copy()
    nearly[rng.random(count) < 1e-6] = "us"
    return {
        "zero": np.zeros(count),
        "one": np.ones(count),
        "tenth": np.full(count, 0.1),
        "millions": np.full(count, 4.2e6),
        "text": text,
        "nearly_zero": _flag(rng, 1e-6, count),
        "nearly_five": 5.0 + 100 * _flag(rng, 2e-6, count),
        "nearly_text": nearly,
    }


def rare(rng: np.random.Generator, rows: Rows) -> Columns:
    """Flags from 1e-5 to 1e-2, two of them of text."""
    count = len(rows)
    flags = {f"flag_{share:.0e}": _flag(rng, share, count) for share in RARE}
    words = {
        f"word_{share:.0e}": np.where(rng.random(count) < share, "true", "false").astype(object)
        for share in (1e-4, 1e-2)
    }
    return flags | words


def zero_inflated(rng: np.random.Generator, rows: Rows) -> Columns:
    """Zero in half to 999 of 1,000 rows, else lognormal amounts."""
    count = len(rows)
    zeros = (0.5, 0.8, 0.9, 0.97, 0.99, 0.999)
    return {
        f"zero_{zero:g}": np.where(rng.random(count) < zero, 0.0, np.exp(3 + sigma * rng.standard_normal(count)))
        for zero, sigma in zip(zeros, (0.5, 1.0, 1.5, 1.0, 1.0, 2.0), strict=True)
    }


def few_values(rng: np.random.Generator, rows: Rows) -> Columns:
    """Two to seven values, most of them uneven."""
    shares = {
        "half": (0.5, 0.5),
        "three": (0.9, 0.09, 0.01),
        "three_rare": (0.998, 0.0015, 0.0005),
        "four": (0.7, 0.2, 0.09, 0.01),
        "stars": (0.08, 0.05, 0.1, 0.27, 0.5),
        "retries": (0.95, 0.04, 0.007, 0.002, 0.0007, 0.0002, 0.0001),
    }
    return {name: rng.choice(len(p), len(rows), p=p).astype(np.float64) for name, p in shares.items()}


def counts(rng: np.random.Generator, rows: Rows) -> Columns:
    """Counts: Poisson, geometric and overdispersed."""
    count = len(rows)
    return {
        "poisson_0.05": rng.poisson(0.05, count).astype(np.float64),
        "poisson_2": rng.poisson(2.0, count).astype(np.float64),
        "poisson_40": rng.poisson(40.0, count).astype(np.float64),
        "geometric": rng.geometric(0.3, count).astype(np.float64),
        "dispersed": rng.negative_binomial(0.5, 0.05, count).astype(np.float64),
        "tokens": np.floor(np.exp(5 + 1.2 * rng.standard_normal(count))),
    }


def cauchy(rng: np.random.Generator, rows: Rows) -> Columns:
    return {
        f"cauchy_{place}": place * 10 + scale * rng.standard_cauchy(len(rows))
        for place, scale in enumerate((1.0, 1e-3, 10.0, 1e3, 1.0, 0.1))
    }


def pareto(rng: np.random.Generator, rows: Rows) -> Columns:
    """Pareto with a shape of 1.1: a mean but no variance; the last two are rounded, or mostly zero."""
    draws = {f"pareto_{place}": scale * (1 + rng.pareto(1.1, len(rows))) for place, scale in enumerate((1, 1e-3, 1e4))}
    draws["both_sides"] = rng.choice([-1.0, 1.0], len(rows)) * (1 + rng.pareto(1.1, len(rows)))
    draws["whole"] = np.floor(1 + rng.pareto(1.1, len(rows)))
    draws["mostly_zero"] = np.where(rng.random(len(rows)) < 0.8, 0.0, 1 + rng.pareto(1.1, len(rows)))
    return draws


def clustered(rng: np.random.Generator, rows: Rows) -> Columns:
    """Every customer has a level, a rate and a taste of its own."""
    who = rows.group
    noise = rng.standard_normal((3, len(rows)))
    level = rng.standard_normal((3, CUSTOMERS))
    taste = rng.dirichlet(np.full(4, 0.7), CUSTOMERS).cumsum(axis=1)
    chosen = (rng.random(len(rows))[:, None] > taste[who]).sum(axis=1).clip(max=3)
    names = np.array([f"customer_{number:02d}" for number in range(CUSTOMERS)], dtype=object)
    return {
        "level_0.3": 0.3 * level[0][who] + noise[0],
        "level_1": level[1][who] + noise[1],
        "amount": np.exp(2 + 0.7 * level[2][who] + 0.7 * noise[2]),
        "rate": _flag(rng, rng.beta(0.5, 20, CUSTOMERS)[who], len(rows)),
        "same": rng.integers(0, 5, CUSTOMERS)[who].astype(np.float64),
        "taste": np.array(["a", "b", "c", "d"], dtype=object)[chosen],
        "customer": names[who],
    }


def weekly(rng: np.random.Generator, rows: Rows) -> Columns:
    """Means and shares follow the day and the weekend by up to half a standard deviation."""
    hour, weekend = rows.day % 1 * 24, (rows.day % 7 >= 5).astype(np.float64)
    columns: Columns = {}
    for place in range(5):
        swing, phase, lift = rng.uniform(0.1, 0.4), rng.uniform(0, 24), rng.uniform(-0.5, 0.5)
        mean = swing * np.sin(2 * np.pi * (hour - phase) / 24) + lift * weekend
        columns[f"season_{place}"] = mean + rng.standard_normal(len(rows))
    share = 0.3 + 0.1 * np.sin(2 * np.pi * hour / 24) - 0.15 * weekend
    columns["choice"] = np.where(rng.random(len(rows)) < share, "a", "b").astype(object)
    columns["error_season"] = _flag(rng, 0.02 + 0.02 * weekend, len(rows))
    return columns


def batches(rng: np.random.Generator, rows: Rows) -> Columns:
    """The rows of the batch are of another kind: shifted, of one category, without errors; each batch a little else."""
    batch = rows.group >= 0
    own = 0.1 * rng.standard_normal(int(rows.group.max(initial=0)) + 1)
    level = np.where(batch, 1.0 + own[rows.group], 0.0)
    normal = rng.standard_normal((3, len(rows)))
    return {
        "shifted": level + normal[0],
        "amount": np.exp(1 + 0.5 * level + normal[1]),
        "narrow": np.where(batch, 0.1, 1.0) * normal[2],
        "origin": np.where(batch, "job", categories(rng, falling_shares(3), len(rows))).astype(object),
        "failed_once": _flag(rng, np.where(batch, 0.0, 0.02), len(rows)),
        "is_batch": batch.astype(np.float64),
    }


def vocabulary(rng: np.random.Generator, rows: Rows) -> Columns:
    """Open vocabularies: words by Zipf's law, so that new ones never end."""
    count = len(rows)
    columns: Columns = {}
    for exponent in (1.3, 1.6, 2.0, 2.5, 3.0):
        columns[f"zipf_{exponent:g}"] = np.char.add("w", rng.zipf(exponent, count).astype(str)).astype(object)
    columns["cities"] = np.char.add("c", np.minimum(rng.zipf(1.2, count), 3000).astype(str)).astype(object)
    return columns


def mixed(rng: np.random.Generator, rows: Rows) -> Columns:
    """One column of each family, for the kinds that are about the traffic."""
    return {
        "uniform": rng.random(len(rows)),
        "amount": zero_inflated(rng, rows)["zero_0.9"],
        "stars": few_values(rng, rows)["stars"],
        "tokens": counts(rng, rows)["tokens"],
        "rare": _flag(rng, 1e-4, len(rows)),
        "pareto": 1 + rng.pareto(1.1, len(rows)),
    }


# -------------------------------------------------------------------------------------------------------------- kinds


@dataclass(frozen=True)
class Kind:
    """A kind of quiet stream: its own columns, when its rows arrive, and the settings that fit them."""

    columns: Callable[[np.random.Generator, Rows], Columns]
    arrive: Callable[[np.random.Generator, int], Rows] = usual
    learn_days: int = LEARN_DAYS
    window: timedelta = HOUR
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of the monitor, where the defaults are not meant for such traffic."""
    outages: bool = False
    """Its traffic breaks off without a pattern, so that `no_data` is true."""


KINDS: dict[str, Kind] = {
    "smooth": Kind(smooth),
    "constant": Kind(constant),
    "rare": Kind(rare),
    "zero_inflated": Kind(zero_inflated),
    "few_values": Kind(few_values),
    "counts": Kind(counts),
    "cauchy": Kind(cauchy),
    "pareto": Kind(pareto),
    "clustered": Kind(clustered, _customers),
    "weekly": Kind(weekly, _weekly, learn_days=10),
    "batch_spike": Kind(batches, _batches),
    "growth": Kind(mixed, _growing),
    "gaps": Kind(mixed, _with_gaps, outages=True),
    "weekend_only": Kind(mixed, _weekends),
    "tenfold": Kind(mixed, _tenfold),
    "twenty_a_window": Kind(mixed, _twenty, settings={"min_samples": 10}),
    "twenty_an_hour": Kind(mixed, _twenty, window=6 * HOUR),
    "vocabulary": Kind(vocabulary),
}


def quiet(kind: str, seed: int, weeks: float = LIVE_WEEKS) -> Stream:
    """Return a stream of a kind in which nothing changes."""
    known = KINDS[kind]
    rng = _random(kind, seed)
    rows = known.arrive(rng, known.learn_days + round(7 * weeks))
    own = known.columns(rng, rows)
    return _stream(f"{kind}_{seed}", rows, own | ordinary(rng, len(rows)), known)


def _random(name: str, seed: int) -> np.random.Generator:
    """Return the generator of a kind; it does not depend on which other kinds there are."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def _stream(name: str, rows: Rows, columns: Columns, kind: Kind) -> Stream:
    until = START + kind.learn_days * DAY
    about = (kind.columns.__doc__ or name).partition("\n")[0]
    return Stream(name, make_frame(rows.times, columns), 5 * MINUTE, kind.window, until, (), about)


# -------------------------------------------------------------------------------------------------------- pathologies


def _one_off(rng: np.random.Generator, rows: Rows) -> Columns:
    """A text that had another value for three hours, once, in the baseline."""
    variant = np.full(len(rows), "a", dtype=object)
    start = rng.uniform(3, LEARN_DAYS - 3)
    variant[(rows.day >= start) & (rows.day < start + 3 / 24)] = "b"
    return {"variant": variant}


def _maintenance(_rng: np.random.Generator, rows: Rows) -> Columns:
    """A state that is another for two hours a week, on Sunday morning."""
    state = np.full(len(rows), "normal", dtype=object)
    state[(rows.day % 7 >= 6 + 3 / 24) & (rows.day % 7 < 6 + 5 / 24)] = "maintenance"
    return {"state": state}


def _tenants(rng: np.random.Generator, rows: Rows) -> Columns:
    """Twelve clients in runs of half an hour, whose amounts share a level within a run. They are segments."""
    run = rows.bucket // 6 * 3 + rng.integers(0, 3, len(rows))
    client = rng.choice(12, int(run.max()) + 1, p=falling_shares(12))[run]
    level = rng.standard_normal(int(run.max()) + 1)[run]
    names = np.array([f"client_{number:02d}" for number in range(12)], dtype=object)
    return {"client": names[client], "amount": np.exp(1 + 0.5 * level + 0.5 * rng.standard_normal(len(rows)))}


def _near_constant(rng: np.random.Generator, rows: Rows) -> Columns:
    """Zero, but for one row in 20,000."""
    return {"nearly": _flag(rng, 5e-5, len(rows))}


def _cauchy(rng: np.random.Generator, rows: Rows) -> Columns:
    """A Cauchy column."""
    return {"heavy": rng.standard_cauchy(len(rows))}


def _identifier(rng: np.random.Generator, rows: Rows) -> Columns:
    """Texts of which nearly all are distinct, and that nobody has excluded."""
    return {"token": np.char.add("t", rng.integers(0, 10**6, len(rows)).astype(str)).astype(object)}


CLEAN = "clean"
PATHOLOGIES: dict[str, Kind] = {
    CLEAN: Kind(lambda _rng, _rows: {}),
    "one_off": Kind(_one_off),
    "maintenance": Kind(_maintenance),
    "tenants": Kind(_tenants, settings={"segments": ["client"]}),
    "near_constant": Kind(_near_constant),
    "cauchy": Kind(_cauchy),
    "identifier": Kind(_identifier),
}


def ailing(pathology: str, seed: int, weeks: float = LIVE_WEEKS) -> Stream:
    """Return the clean stream of a seed with one pathology added: all else is the same to the last bit."""
    known = PATHOLOGIES[pathology]
    rng = _random(CLEAN, seed)
    rows = usual(rng, known.learn_days + round(7 * weeks))
    columns = smooth(rng, rows) | ordinary(rng, len(rows))
    return _stream(f"{pathology}_{seed}", rows, columns | known.columns(_random(pathology, seed), rows), known)


def first(stream: Stream, until: pd.Timestamp) -> Stream:
    """Return the part of a stream before a moment."""
    return replace(stream, frame=stream.frame.iloc[: int(stream.frame["timestamp"].searchsorted(until))])


def settings(kind: str) -> Mapping[str, Any]:
    """Return the settings of a kind or a pathology besides the defaults."""
    return (PATHOLOGIES[kind] if kind in PATHOLOGIES else KINDS[kind]).settings


# ------------------------------------------------------------------------------------------------------------ changes


@dataclass(frozen=True)
class Change:
    """What is done to one column from a moment on. `alter` takes the frame's rows after it and returns the column."""

    column: str
    alter: Callable[[np.random.Generator, pd.DataFrame], np.ndarray]
    about: str


def _shift(size: float) -> Change:
    def alter(_rng: np.random.Generator, rows: pd.DataFrame) -> np.ndarray:
        return rows["normal"].to_numpy() + 2 * size

    return Change("normal", alter, f"`normal` moves up by {size:g} standard deviations")


def _rise(column: str, before: float, after: float) -> Change:
    """Turn so many of the zeros into ones that the share rises from `before` to `after`."""

    def alter(rng: np.random.Generator, rows: pd.DataFrame) -> np.ndarray:
        more = rng.random(len(rows)) < (after - before) / (1 - before)
        return np.maximum(rows[column].to_numpy(), more)

    return Change(column, alter, f"`{column}` goes from {before:g} to {after:g}")


def _new_category(rng: np.random.Generator, rows: pd.DataFrame) -> np.ndarray:
    return np.where(rng.random(len(rows)) < 0.02, "new", rows["category"].to_numpy(object))


def _nulls(rng: np.random.Generator, rows: pd.DataFrame) -> np.ndarray:
    return np.where(rng.random(len(rows)) < 0.05, np.nan, rows["skewed"].to_numpy())


def _one_tenant(_rng: np.random.Generator, rows: pd.DataFrame) -> np.ndarray:
    return rows["normal"].to_numpy() + 1.6 * (rows["tenant"] == "acme").to_numpy()


CHANGES: dict[str, Change] = {
    "shift_0.3": _shift(0.3),
    "flag_2e-3": _rise("flag", 1e-3, 2e-3),
    "flag_5e-3": _rise("flag", 1e-3, 5e-3),
    "new_category_2pct": Change("category", _new_category, "2 % of `category` hold a value that was never seen"),
    "errors_5pct": _rise("error", 1e-2, 5e-2),
    "one_tenant": Change("normal", _one_tenant, "`normal` of the tenant with 12 % moves up by 0.8 of its deviations"),
}
"""Changes that every quiet stream can take."""
DEAFNESS: dict[str, Change] = {
    "shift_0.3": CHANGES["shift_0.3"],
    "shift_1": _shift(1.0),
    "errors_10pct": _rise("error", 1e-2, 0.1),
    "nulls_5pct": Change("skewed", _nulls, "5 % of `skewed` are missing"),
    "new_category_2pct": CHANGES["new_category_2pct"],
}
"""Changes that a pathology of another column must not delay."""


def changed(stream: Stream, name: str, at: pd.Timestamp, seed: int = 0) -> Stream:
    """Return a stream with one change from `at` on."""
    change = CHANGES.get(name) or DEAFNESS[name]
    frame = stream.frame.copy(deep=False)
    first = int(frame["timestamp"].searchsorted(at))
    column = frame[change.column].to_numpy(copy=True)
    column[first:] = change.alter(_random(name, seed), frame.iloc[first:])
    frame[change.column] = column
    return replace(stream, name=f"{stream.name}, {name}", frame=frame, changes=(at,), about=change.about)
