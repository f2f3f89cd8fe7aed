"""Real traffic as logs, in fast motion, beside pandas on the raw files: `make bench-traces`.

Loads the Azure traces of 2023 and the llmperf measurements into a database, lets the daemon work their buckets off, and
holds tokens, cost, percentiles and error rates, as `/metrics` and the page show them, against pandas and decimals on
the raw files. Exits 1 when one differs by more than its bound.

The traces name no model and llmperf's have no clock: Azure's requests are priced as gpt-4o, each hundredth as a model
that nobody knows, and llmperf's come a second apart. A fourth log is made up: 10,000 requests of 30 listed models and
of one that nobody knows. Percentiles are read off bins two per cent wide; money on the page is rounded to the cent.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import sqlalchemy as sa
import structlog
from genai_prices import Usage, calc_price
from prometheus_client.parser import text_string_to_metric_families

from monitor.cli.connections import open_store
from monitor.cli.factory import make_daemon
from monitor.config.models import Config
from monitor.core.clock import Clock, SystemClock
from monitor.store import reads
from monitor.store.database import Database
from monitor.web.app import create_app
from monitor.web.server import Server
from tests.support.listed_models import LISTED_MODELS

DATA = Path(__file__).parent / "data"
START = datetime(2026, 11, 1, tzinfo=UTC)
BUCKET, WINDOW = timedelta(minutes=5), timedelta(hours=1)
NOBODYS = 100
GPT_4O = (Decimal("2.5"), Decimal(10))
"""Dollars for a million tokens, in and out, as published."""
OWN = {"llama-2-7b-chat": ("0.2", "0.2"), "llama-2-13b-chat": ("0.25", "0.3"), "llama-2-70b-chat": ("0.7", "0.9")}
"""Prices of the operator's own, for llmperf's models."""
LEVELS = (0.5, 0.9, 0.95, 0.99)
EXACT, ROUNDED, BINNED = 1e-12, 1e-3, 0.02
TIMES = {
    "end_to_end_latency_s": "latency",
    "ttft_s": "time_to_first_token",
    "inter_token_latency_s": "time_per_output_token",
}


class Hand(Clock):
    """A clock that stands where it is put."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        """Return where it stands."""
        return self.moment


@dataclass(frozen=True)
class Row:
    """One comparison: what pandas says, what we show, and how far apart they may be, relatively or absolutely."""

    trace: str
    figure: str
    pandas: float
    metric: float
    page: float
    bound: float
    absolute: bool = False

    def off(self, shown: float) -> float:
        """Return the difference, of which a missing figure has no end."""
        gap = abs(shown - self.pandas)
        wide = gap if self.absolute else gap / abs(self.pandas) if self.pandas else gap
        return wide if wide == wide else float("inf")  # noqa: PLR0124  NaN: it was not shown

    @property
    def held(self) -> bool:
        """Whether both are as close as was said."""
        return self.off(self.metric) <= self.bound and self.off(self.page) <= self.bound


def azure(kind: str) -> pd.DataFrame:
    """Return one of the traces of Azure as a log."""
    raw = pd.read_csv(DATA / f"trace_azure2023_{kind}.csv.gz", parse_dates=["TIMESTAMP"])
    at = (raw["TIMESTAMP"] - raw["TIMESTAMP"].iloc[0]).dt.floor("us") + START
    names = ["nobody-1" if place % NOBODYS == 0 else "gpt-4o" for place in range(len(raw))]
    told = {"at": at, "model": names, "input_tokens": raw["ContextTokens"], "output_tokens": raw["GeneratedTokens"]}
    return pd.DataFrame(told)


def llmperf() -> pd.DataFrame:
    """Return the measurements of llmperf as a log, a second apart."""
    raw = pd.read_csv(DATA / "latency_llmperf.csv.gz")
    log = raw.rename(columns=TIMES)[["model", "provider", "input_tokens", "output_tokens", *TIMES.values()]].copy()
    log.insert(0, "at", pd.to_datetime([START + timedelta(seconds=place) for place in range(len(raw))]))
    log["status"] = raw["error_code"].fillna(200).astype(int)
    log["error_type"] = raw["error_code"].map(lambda code: None if pd.isna(code) else f"{code:.0f}")
    return log


def models() -> pd.DataFrame:
    """Return 10,000 made-up requests of 30 models of the list and of one that nobody knows, cached tokens included."""
    rng = np.random.default_rng(0)
    told = np.rint(rng.lognormal(7, 1.5, 10_000))
    return pd.DataFrame(
        {
            "at": pd.to_datetime([START + timedelta(seconds=0.35 * place) for place in range(10_000)]),
            "model": rng.choice([*LISTED_MODELS, "nobody-1"], 10_000),
            "input_tokens": told,
            "output_tokens": np.rint(rng.lognormal(5, 1, 10_000)),
            "cached_tokens": np.floor(told * rng.random(10_000) * 0.7),
        }
    )


def configuration(name: str, log: pd.DataFrame, url: str, folder: Path) -> Config:
    """Return a monitor over a log, whose every bucket is live: the baseline is the file itself."""
    log.drop(columns="at").to_csv(folder / f"{name}.csv", index=False)
    prices = {model: {"input": float(told), "output": float(said)} for model, (told, said) in OWN.items()}
    failures = ["failed", "rate_limited", "timed_out", "tokens_per_second"] if "status" in log else []
    columns = {"timestamp": "at", "id": "id", "model_version": "model"}
    monitor = {
        "name": name,
        "source": {"url": url, "table": name, "columns": columns},
        "start": START.isoformat(),
        "bucket": BUCKET,
        "window": WINDOW,
        "settle": "0s",
        "catch_up": "36500d",
        "baseline": {"file": str(folder / f"{name}.csv")},
        "segments": ["model_version"],
        "max_segments": 40,
        "signals": [{"price": {"prices": prices}}, {"unpriced": {"prices": prices}}, *failures],
        "checks": [
            "drift",
            "latency",
            {"rate": {"signal": "unpriced", "max": 0.005}},
            {"spend": {"daily": 1e6, "monthly": 1e7}},
        ],
    }
    return Config.model_validate({"store": f"sqlite:///{folder / f'{name}.store.db'}", "monitors": [monitor]})


class Cells(HTMLParser):
    """Reads the tables of usage off a page: the exact value of each cell, by row and head."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: dict[tuple[str, str, str], tuple[float, str]] = {}
        self._heads: list[str] = []
        self._row: list[tuple[str, float | None]] = []
        self._inside = self._text = ""
        self._exact: float | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Begin a row or a cell."""
        if tag in ("th", "td"):
            self._text, self._exact = "", None
        elif tag == "tr":
            self._row = []
        elif tag == "data":
            self._exact = float(dict(attributes)["value"] or "nan")

    def handle_data(self, text: str) -> None:
        """Collect what a cell says."""
        self._text += text

    def handle_endtag(self, tag: str) -> None:
        """End a cell, or a row: one without numbers has the heads."""
        if tag in ("th", "td"):
            self._row.append((self._text.strip(), self._exact))
        elif tag == "tr" and all(exact is None for _, exact in self._row):
            self._heads = [text for text, _ in self._row]
        elif tag == "tr":
            name, segment = (text for text, _ in self._row[:2])
            for head, (text, exact) in zip(self._heads[2:], self._row[2:], strict=False):
                if exact is not None:
                    self.found[name, segment, head] = exact, text


def shown(database: Database, config: Config, name: str) -> tuple[dict[Any, float], Cells]:
    """Return what /metrics and the page show over HTTP; samples by name and labels."""
    server = Server(create_app(database, config, SystemClock()), "127.0.0.1:0")
    server.start()
    try:
        base = f"http://127.0.0.1:{server.port}"
        metrics, page = httpx.get(f"{base}/metrics").text, httpx.get(f"{base}/monitors/{name}?refresh=off").text
    finally:
        server.stop()
    samples = {
        (sample.name, frozenset((key, value) for key, value in sample.labels.items() if key != "monitor")): sample.value
        for family in text_string_to_metric_families(metrics)
        for sample in family.samples
    }
    return samples, Cells(page)


def played(config: Config) -> tuple[dict[Any, float], Cells, dict[str, str]]:
    """Work an hour off, bucket by bucket; return what is shown, and the status of what was found."""
    monitor = config.monitors[0]
    with open_store(config, upgrade=True) as database:
        clock = Hand(START)
        daemon = make_daemon(database, config, clock)
        while clock.moment < START + WINDOW:
            clock.moment += BUCKET
            daemon.tick_all()
        daemon.monitors[0].close()
        samples, cells = shown(database, config, monitor.name)
        with database.read() as connection:
            newest = reads.newest_bucket(connection, monitor.name)
            found = {row.key: row.status for row in reads.findings_at(connection, monitor.name, newest.start)}
    return samples, cells, found


def costs(log: pd.DataFrame) -> tuple[Decimal, int]:
    """Return what the requests cost, in decimals, and how many nobody can price."""
    prices = {model: (Decimal(told), Decimal(said)) for model, (told, said) in OWN.items()} | {"gpt-4o": GPT_4O}
    counted = log.dropna(subset=["input_tokens", "output_tokens"])
    cached = counted["cached_tokens"] if "cached_tokens" in log else [0] * len(counted)
    total, unpriced = Decimal(0), len(log) - len(counted)
    for model, told, said, read in zip(
        counted["model"], counted["input_tokens"], counted["output_tokens"], cached, strict=True
    ):
        if model in prices and not read:
            total += (int(told) * prices[model][0] + int(said) * prices[model][1]) / 10**6
            continue
        usage = Usage(
            input_tokens=int(told), output_tokens=int(said), **({"cache_read_tokens": int(read)} if read else {})
        )
        try:
            total += calc_price(usage, str(model), genai_request_timestamp=START).total_price
        except LookupError:
            unpriced += 1
    return total, unpriced


def compared(name: str, log: pd.DataFrame, samples: Mapping[Any, float], cells: Cells) -> Iterator[Row]:
    """Yield every figure of all rows, and requests, tokens and cost of each model."""

    def metric(called: str, segment: str, **labels: str) -> float:
        return samples.get((called, frozenset({("segment", segment), *labels.items()})), float("nan"))

    def page(head: str, segment: str, row: str = "requests") -> float:
        found = cells.found.get((row, segment or "all rows", head))
        return found[0] if found else float("nan")

    groups = {"": log, **{f"model_version={model}": part for model, part in log.groupby("model")}}
    for segment, part in groups.items():
        said = f" of {segment.partition('=')[2]}" if segment else ""
        counted = ("driftd_requests", segment)
        yield Row(name, f"requests{said}", len(part), metric(*counted), page("requests", segment), 0.0)
        for kind in ("input", "output"):
            sums = metric("driftd_tokens", segment, type=kind), page(f"{kind} tokens", segment)
            raw = part[f"{kind}_tokens"].dropna()
            yield Row(name, f"{kind} tokens{said}", float(raw.sum()), *sums, EXACT)
            if not segment and len(raw) == len(part):
                means = sums[0] / metric(*counted), sums[1] / page("requests", segment)
                yield Row(name, f"mean of {kind} tokens", float(raw.mean()), *means, EXACT)
        exact, unpriced = costs(part)
        cost = metric("driftd_cost", segment, currency="USD"), page("cost, USD", segment)
        if segment != "model_version=nobody-1":
            yield Row(name, f"cost{said}, USD", float(exact), *cost, 0.005, absolute=True)
        free = metric("driftd_unpriced_requests", segment), page("unpriced", segment)
        yield Row(name, f"unpriced{said}", unpriced, *free, 0.0)
    rate = metric("driftd_requests_per_second", ""), page("per second", "")
    yield Row(name, "requests per second", len(log) / WINDOW.total_seconds(), *rate, EXACT)
    yield from _failures(name, log, metric, page)
    for column in TIMES.values():
        for level in LEVELS if column in log else ():
            exact_time = float(log[column].quantile(level, interpolation="inverted_cdf"))
            ours = metric("driftd_latency_seconds", "", column=column, percentile=f"{level:g}")
            on_page = page(f"p{100 * level:g}", "", column.replace("_", " "))
            yield Row(name, f"{column} p{100 * level:g}, s", exact_time, ours, on_page, BINNED)


def _failures(name: str, log: pd.DataFrame, metric: Any, page: Any) -> Iterator[Row]:  # noqa: ANN401
    if "status" not in log:
        return
    bad = (log["status"] >= 400) | (log["status"] < 0)  # noqa: PLR2004
    for kind, share in (("failed", bad.mean()), ("rate_limited", (log["status"] == 429).mean())):  # noqa: PLR2004
        ours = metric("driftd_failure_ratio", "", kind=kind), page(kind.replace("_", " "), "")
        yield Row(name, f"share {kind}", float(share), *ours, EXACT)


def run(name: str, log: pd.DataFrame, folder: Path, url: str | None = None) -> list[Row]:
    """Load a log into a database, play it, and compare; the text of each cell is held to the rounding it has."""
    made = url or f"sqlite:///{folder / f'{name}.db'}"
    engine = sa.create_engine(made)
    log.assign(id=range(len(log)), at=log["at"].dt.tz_localize(None)).to_sql(name, engine, index=False)
    engine.dispose()
    samples, cells, found = played(configuration(name, log, made, folder))
    rows = list(compared(name, log, samples, cells))
    for (row, segment, head), (exact, text) in cells.found.items():
        read = float(text.rstrip("%").replace(",", "")) / (100 if text.endswith("%") else 1)
        bound = 0.00501 if head.startswith("cost") and abs(exact) >= 1 else max(ROUNDED * abs(exact), 1e-4)
        rows.append(Row(name, f"words: {head}, {row}, {segment}", exact, exact, read, bound, absolute=True))
    unknown = float(costs(log)[1] / len(log) > 0.005)  # noqa: PLR2004
    told = float(found.get("rate/unpriced/rate_level/") == "drifted")
    daily = next(
        (v for (called, at), v in samples.items() if called == "driftd_spend" and ("period", "daily") in at),
        float("nan"),
    )
    rows.append(Row(name, "ledger of the day, USD", float(costs(log)[0]), daily, daily, 0.005, absolute=True))
    rows.append(Row(name, "a finding of unpriced requests (1: yes)", unknown, told, told, 0.0))
    return rows


def report(rows: list[Row]) -> int:
    """Print all comparisons but those of words, which are counted; return 1 when one is out of its bound."""
    sys.stdout.write(
        f"{'trace':12} {'figure':42} {'pandas':>16} {'/metrics':>16} {'page':>16} {'off':>9} {'bound':>9}\n"
    )
    for row in rows:
        if row.figure.startswith("words:") and row.held:
            continue
        off = max(row.off(row.metric), row.off(row.page))
        mark = "" if row.held else "  OUT"
        sys.stdout.write(
            f"{row.trace:12} {row.figure:42} {row.pandas:16.6f} {row.metric:16.6f} {row.page:16.6f} {off:9.2g} "
            f"{row.bound:9.2g}{mark}\n"
        )
    wrong = sum(not row.held for row in rows)
    words = sum(row.figure.startswith("words:") for row in rows)
    sys.stdout.write(f"{len(rows) - words} figures and {words} rounded cells compared, {wrong} out of their bound\n")
    return int(wrong > 0)


def main() -> int:
    """Compare every trace, or those that are named."""
    traces = {
        "azure_code": lambda: azure("code"),
        "azure_conv": lambda: azure("conv"),
        "llmperf": llmperf,
        "models": models,
    }
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", choices=traces, help="one trace")
    only = parser.parse_args().only
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in [only] if only else traces:
            rows += run(name, traces[name](), Path(folder))
    return report(rows)


if __name__ == "__main__":
    sys.exit(main())
