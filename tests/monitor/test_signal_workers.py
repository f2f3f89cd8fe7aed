"""Signals in workers: the same columns as in this process, and a bad record costs its own signals only."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from detectors import SIGNALS
from detectors.records import Column, Records
from monitor.cli.connections import open_store
from monitor.cli.factory import make_daemon
from monitor.config.load import load
from monitor.core.process_counters import QUARANTINED_RECORDS
from monitor.core.record_batch import RecordBatch
from monitor.profiling import signal_workers
from monitor.profiling.facts import Facts
from monitor.profiling.signal_workers import MOST_FAILED, SignalsUnavailable, SignalWorkers
from monitor.profiling.signals import QUARANTINED, evaluate_here, evaluating_by, with_signals
from monitor.web.app import create_app
from tests.support.hand import Hand
from tests.support.world import START, World, rows_of

ODD = "tests.support.odd_signal"
HOUR = timedelta(hours=1)


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch) -> Iterator[SignalWorkers]:
    """Workers that know the signal `odd`, and allow a record 0.2 s."""
    monkeypatch.setitem(SIGNALS.entries, "odd", f"{ODD}:SIGNAL")
    made = SignalWorkers(seconds=0.2, memory=1 << 30, module=ODD)
    yield made
    made.close()


def records_of(*responses: str | None) -> Records:
    return {"response": Column.of(responses)}


def reasons(columns: Records) -> list[str | None]:
    return columns[QUARANTINED].values.tolist()


def test_the_columns_are_those_of_this_process() -> None:
    """Numbers, categories and vectors, present and missing, in chunks of any size."""
    texts = ["I'm sorry, I can't help with that request.", None, '{"a": 1}', "Où est la gare ?", "\ud800", ""] * 60
    names = ["response_words", "language", "response_embedding", "valid_json"]
    workers = SignalWorkers()
    there, here = workers(names, records_of(*texts)), evaluate_here(names, records_of(*texts))
    workers.close()
    assert list(there) == list(here)
    for name, column in here.items():
        assert there[name].values.dtype == column.values.dtype
        assert np.array_equal(there[name].missing, column.missing)
        present = ~column.missing
        assert np.array_equal(there[name].values[present], column.values[present])


def test_a_bad_record_loses_its_signals_and_no_other_does(odd: SignalWorkers) -> None:
    texts = [*"abc", "never end", "d", "crash", "ee", "eat", "fail", None]
    columns = odd(["odd", "response_words"], records_of(*texts))
    assert reasons(columns) == [None] * 3 + ["timeout", None, "crash", None, "memory", "error", None]
    for name in ("odd", "response_words"):
        assert columns[name].missing.tolist() == [text is None or len(text) > 2 for text in texts]
    assert columns["odd"].values[~columns["odd"].missing].tolist() == [1, 1, 1, 1, 2]


def test_many_bad_records_take_bounded_time(odd: SignalWorkers) -> None:
    columns = odd(["odd"], records_of(*["fail"] * (MOST_FAILED + 4)))
    assert reasons(columns) == ["error"] * MOST_FAILED + ["skipped"] * 4
    assert columns["odd"].missing.all()


def test_a_column_of_which_nothing_is_known_has_its_kind_or_is_absent(odd: SignalWorkers) -> None:
    columns = odd(["odd", "language", "response_embedding"], records_of("fail"))
    assert set(columns) == {"odd", "language", QUARANTINED}
    assert columns["language"].values.dtype == object


def test_what_cannot_be_loaded_is_no_fault_of_a_record(odd: SignalWorkers) -> None:
    with pytest.raises(SignalsUnavailable, match="could not load the signals: ConfigError at"):
        odd(["unknown"], records_of("a"))


def test_records_have_the_reason_only_where_there_is_one(odd: SignalWorkers) -> None:
    batch = RecordBatch({"timestamp": Column.floats(np.arange(2.0)), **records_of("a", "b")})
    with evaluating_by(odd):
        assert set(with_signals(batch, ["odd"])) == {"timestamp", "response", "odd"}
    assert with_signals(batch, ["odd", "relevance"])["odd"].values.tolist() == [1, 1]  # `question` is not logged


@pytest.mark.parametrize(
    ("written", "expected"),
    [("max", 2 << 30), (str(4 << 30), 2 << 30), (str(3 << 29), 3 << 28), (str(1 << 20), 1 << 29)],
)
def test_a_worker_gets_half_of_the_memory_of_a_container(
    written: str, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "limit").write_text(f"{written}\n")
    limits = (str(tmp_path / "absent"), str(tmp_path / "limit"))
    monkeypatch.setattr(signal_workers, "CONTAINER_LIMITS", limits)
    assert signal_workers.find_memory_limit() == expected


def test_facts_of_buckets_add_up() -> None:
    one, other = Facts(rows=3, quarantined={"crash": 1}), Facts(rows=2, quarantined={"crash": 1, "timeout": 2})
    assert Facts.from_bytes((one + other).to_bytes()).quarantined == {"crash": 2, "timeout": 2}
    assert "quarantined" not in (Facts(rows=1) + Facts(rows=1)).to_json()


def test_a_bucket_with_a_bad_record_completes_and_says_so(odd: SignalWorkers, tmp_path: Path) -> None:
    world = World(tmp_path, f"sqlite:///{tmp_path / 'log.db'}")
    world.log(rows_of(START, 3 * HOUR))
    world.log(rows_of(START + 2 * HOUR + timedelta(minutes=50), timedelta(minutes=1), per_minute=1, answer="crash"))
    baseline = {"from": START.isoformat(), "to": (START + 2 * HOUR).isoformat(), "min_rows": 100}
    path = world.configure(baseline=baseline, catch_up="3650d", signals=["odd"])
    world.close()
    config, clock = load(path), Hand(START + 3 * HOUR)
    before = dict(QUARANTINED_RECORDS.samples()).get(("shop", "crash"), 0.0)
    with open_store(config, upgrade=True) as database:
        with evaluating_by(odd):
            make_daemon(database, config, clock).tick_all()
        with TestClient(create_app(database, config, clock), base_url="http://127.0.0.1") as client:
            page, metrics = client.get("/monitors/shop").text, client.get("/metrics").text
    sentence = "quarantined: 1 of 601 rows have no signals"
    assert sentence in page.replace("Quarantined", "quarantined")
    world.configure()  # commands know no signal `odd`
    assert sentence in world.run("status").stdout.replace("\n", " ")
    code, told = world.json("status")
    assert told["monitors"][0]["quarantine"].endswith("(1 crash)"), code
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics)
        for sample in family.samples
    }
    counted = samples["driftd_quarantined_records_total", ("monitor", "shop"), ("reason", "crash")]
    assert counted == before + 1
    shares = [value for labels, value in samples.items() if ("method", "quarantined") in labels]
    assert 1 / 601 in shares
