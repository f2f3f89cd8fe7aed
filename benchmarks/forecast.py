"""How often the 80 % interval of a month's spending holds the month's end: `make bench-forecast`.

Months are held back, one after another, at several days of the month; the forecast knows only the days before. Real
daily series stand in for spending, for nobody publishes a bill by the day: the miles that each airline and each airport
of New York flew each day of 2013. The simulated ones have what bills have: weekdays, growth, shifts of level, bursts,
heavy tails, lasting moods, and days without any spending. Days are held back too, at several of their hours.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import sys
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.detection.tables import table
from detectors.cost.budget import HOUR
from detectors.cost.forecast import forecast, paths
from detectors.cost.period_forecast import forecast_period

FLIGHTS = Path(__file__).parent / "data" / "nycflights13_daily.csv.gz"
HOURLY = Path(__file__).parent / "data" / "nycflights13_jfk.parquet"
DAYS_OF_MONTH = (3, 8, 15, 22, 27)
HOURS_OF_DAY = (6, 10, 14, 18, 21)
SHORTEST, LONGEST = 56, 120
"""Days of history that a forecast needs here, and that the daemon gives it at most."""
WANTED = (0.75, 0.85)
WEEK = np.array([1.1, 1.2, 1.15, 1.1, 1.0, 0.4, 0.35])
Series = tuple[date, np.ndarray]
Held = tuple[int, bool, float, float, date]
"""The place that was forecast from, whether it held, width and error in shares of the truth, and the day itself."""


def simulated(kind: str, rng: np.random.Generator, days: int) -> np.ndarray:
    """Return a made-up bill, one number a day."""
    day = np.arange(days)
    noise = rng.lognormal(0, {"heavy tails": 0.9, "quiet": 0.05}.get(kind, 0.2), days)
    level = np.full(days, 100.0)
    if kind == "growth":
        level = level * np.exp(rng.normal(0.006, 0.003) * day)
    if kind == "shifts":
        jumps = np.where(rng.random(days) < 1 / 45, rng.normal(0, 0.5, days), 0.0)
        level = level * np.exp(np.cumsum(jumps))
    if kind == "drifting":
        level = level * np.exp(np.cumsum(rng.normal(0, 0.05, days)))
    if kind == "moods":
        steps, mood = rng.normal(0, 0.12, days), 0.0
        for place in range(days):
            mood = 0.85 * mood + steps[place]
            level[place] *= np.exp(mood)
    if kind == "bursts":
        level = level * np.where(rng.random(days) < 1 / 20, rng.uniform(2, 8, days), 1.0)
    if kind == "sporadic":
        level = level * (rng.random(days) < 0.4)  # noqa: PLR2004  two days in five
    return np.asarray(level * noise * WEEK[day % 7])


KINDS = ("quiet", "weekdays", "growth", "shifts", "drifting", "moods", "bursts", "heavy tails", "sporadic")


def flights() -> dict[str, Series]:
    """Return the miles flown each day, by airport and by airline that flew every day."""
    held: dict[str, dict[date, float]] = defaultdict(lambda: defaultdict(float))
    with gzip.open(FLIGHTS, "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for name in ("all airports", row["origin"], f"airline {row['carrier']}"):
                held[name][date.fromisoformat(row["day"])] += float(row["miles"])
    first = date(2013, 1, 1)
    year = [first + timedelta(days=place) for place in range(365)]
    return {
        name: (first, np.array([days.get(day, 0.0) for day in year]))
        for name, days in sorted(held.items())
        if len(days) > 360  # noqa: PLR2004  a stray day without flights stays, as a zero
    }


def held_back(series: Series, seed: int) -> list[Held]:
    """Forecast every month of a series at several of its days: day, held, width and error in shares of the truth."""
    first, values = series
    found = []
    for place in range(SHORTEST, len(values)):
        today = first + timedelta(days=place)
        if today.day not in DAYS_OF_MONTH:
            continue
        begin = place - (today.day - 1)
        following = (today.replace(day=1) + timedelta(days=31)).replace(day=1)
        end = begin + (following - today.replace(day=1)).days
        if end > len(values):
            break
        past = slice(max(0, place - LONGEST), place)
        weekdays = (first.weekday() + np.arange(len(values))) % 7
        told = forecast(
            float(values[begin:place].sum()),
            [paths(values[past], weekdays[past], weekdays[place:end], seed=seed + place)],
        )
        truth = float(values[begin:end].sum())
        if told is None or truth <= 0:
            continue
        found.append(
            (
                today.day,
                told.low <= truth <= told.high,
                (told.high - told.low) / truth,
                abs(told.middle / truth - 1),
                today,
            )
        )
    return found


def departures() -> dict[datetime, float]:
    """Return the miles that left JFK each hour of January to March, June, July and September."""
    told = pq.read_table(HOURLY, columns=["month", "day", "hour", "dep_time", "distance"]).to_pydict()
    hours: dict[datetime, float] = defaultdict(float)
    for month, day, hour, left, miles in zip(*told.values(), strict=True):
        if left is not None and hour is not None and not np.isnan(left):
            hours[datetime(2013, month, day, int(hour) % 24, tzinfo=UTC)] += float(miles)
    return hours


def office(seed: int) -> dict[datetime, float]:
    """Return a made-up bill by the hour over ten weeks: office hours, quiet weekends, moods of the day, heavy tails."""
    rng = np.random.default_rng(seed)
    first, hours = datetime(2026, 3, 2, tzinfo=UTC), {}
    for day in range(70):
        mood = rng.lognormal(0, 0.25) * (0.3 if day % 7 > 4 else 1.0)
        for hour in range(24):
            busy = 1.0 + 6.0 * np.exp(-(((hour - 14) / 4.0) ** 2))
            hours[first + timedelta(days=day, hours=hour)] = 100.0 * mood * busy * rng.lognormal(0, 0.4)
    return hours


def days_held_back(hours: dict[datetime, float], seed_day: int = 14) -> list[Held]:
    """Forecast every day at several of its hours, as the daemon does."""
    found = []
    days = sorted({hour.date() for hour in hours})
    for day in days:
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
        since = midnight - timedelta(days=seed_day)
        if not all((since + timedelta(days=place)).date() in days for place in range(seed_day)):
            continue
        truth = sum(hours.get(midnight + place * HOUR, 0.0) for place in range(24))
        for hour in HOURS_OF_DAY:
            at = midnight + hour * HOUR
            past = {when: miles for when, miles in hours.items() if since <= when < at}
            so_far = sum(hours.get(midnight + place * HOUR, 0.0) for place in range(hour))
            told = forecast_period(past, since, at, "UTC", {"daily": so_far, "monthly": so_far})["daily"]
            if told is not None and truth > 0:
                held = told.low <= truth <= told.high
                found.append((hour, held, (told.high - told.low) / truth, abs(told.middle / truth - 1), day))
    return found


def row(name: str, found: list[Held], places: tuple[int, ...] = DAYS_OF_MONTH) -> list[str]:
    held = [one[1] for one in found]
    by_day = [[one[1] for one in found if one[0] == place] for place in places]
    return [
        name,
        str(len(found)),
        f"{np.mean(held):.0%}",
        *(f"{np.mean(one):.0%}" for one in by_day),
        f"{np.median([one[2] for one in found]):.0%}",
        f"{np.median([one[3] for one in found]):.0%}",
    ]


def months(found: list[Held]) -> str:
    """Say how sure the share of each day is: the series share their days, so that only months count."""
    lines = []
    for place in DAYS_OF_MONTH:
        by_month: dict[date, list[bool]] = defaultdict(list)
        for day, held, _, _, today in found:
            if day == place:
                by_month[today].append(held)
        shares = {today: float(np.mean(held)) for today, held in by_month.items()}
        error = np.std(list(shares.values()), ddof=1) / np.sqrt(len(shares))
        worst = ", ".join(
            f"{today:%B} {shares[today]:.0%}" for today in sorted(shares, key=lambda one: shares[one])[:2]
        )
        lines.append([f"day {place}", len(shares), f"{np.mean(list(shares.values())):.0%} ± {error:.0%}", worst])
    heads = ["real series, over months", "months", "held, and its standard error", "the worst months"]
    return table(heads, [[str(cell) for cell in line] for line in lines])


def main(arguments: list[str] | None = None) -> int:
    """Print coverage by series and by day of the month; 1 when a pool is outside of 75 to 85 %."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=40, help="simulated series of each kind")
    parser.add_argument("--days", type=int, default=400, help="days of each simulated series")
    parser.add_argument("--seed", type=int, default=2026)
    chosen = parser.parse_args(arguments)
    lines, pools = [], {}
    real: list[Held] = []
    for name, series in flights().items():
        found = held_back(series, chosen.seed)
        lines.append(row(name, found))
        real += found
    pools["real"] = real
    made: list[Held] = []
    for place, kind in enumerate(KINDS):
        rng = np.random.default_rng([chosen.seed, place])
        found = [
            one
            for number in range(chosen.series)
            for one in held_back((date(2025, 1, 1), simulated(kind, rng, chosen.days)), chosen.seed + number)
        ]
        lines.append(row(f"simulated: {kind}", found))
        made += found
    pools["simulated"] = made
    lines += [row(f"ALL {name}", found) for name, found in pools.items()]
    lines.append(row("ALL", real + made))
    days = [f"day {day}" for day in DAYS_OF_MONTH]
    print(table(["series", "forecasts", "held", *days, "median width", "median error"], lines))
    print(months(real))
    hourly = {"JFK by the hour": days_held_back(departures())}
    hourly["simulated: office"] = [one for seed in range(4) for one in days_held_back(office(chosen.seed + seed))]
    pools.update({f"the day's end, {name}": found for name, found in hourly.items()})
    clock = [f"{hour}:00" for hour in HOURS_OF_DAY]
    headers = ["the day's end", "forecasts", "held", *clock, "median width", "median error"]
    print(table(headers, [row(name, found, HOURS_OF_DAY) for name, found in hourly.items()]))
    missed = [name for name, found in pools.items() if not WANTED[0] <= np.mean([one[1] for one in found]) <= WANTED[1]]
    print(f"80 % intervals; wanted are 75 to 85 % in each pool. Outside: {', '.join(missed) or 'none'}.")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
