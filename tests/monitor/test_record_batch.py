"""A record batch is a mapping of columns with the operations that profiling needs."""

from __future__ import annotations

import numpy as np

from detectors import Column
from monitor.core.record_batch import RecordBatch


def batch() -> RecordBatch:
    return RecordBatch(
        {
            "timestamp": Column.floats(np.array([1.0, 2.0, 3.0])),
            "id": Column.of(["a", "b", "a"]),
            "plan": Column.of(["free", None, "paid"]),
        }
    )


def test_rows_and_columns_are_chosen() -> None:
    records = batch()
    assert (records.rows, len(records), "plan" in records, "price" in records) == (3, 3, True, False)
    late = records.take(records.times > 1)
    assert late["plan"].values.tolist() == [None, "paid"]
    assert records.take(np.array([2])).times.tolist() == [3.0]
    assert list(records.select(["plan", "price", "id"])) == ["plan", "id"]
    assert list(records.without(["id"])) == ["timestamp", "plan"]
    assert RecordBatch({}).rows == 0


def test_columns_are_added_to_a_copy() -> None:
    records = batch()
    priced = records.with_columns({"price": Column.floats(np.zeros(3)), "plan": Column.of(["x"] * 3)})
    assert list(priced) == ["timestamp", "id", "plan", "price"]
    assert priced["plan"].values.tolist() == ["x"] * 3
    assert records["plan"].values.tolist() == ["free", None, "paid"]


def test_an_id_counts_once() -> None:
    ids = set[object]()
    records = batch()
    assert records.unseen(ids).times.tolist() == [1.0, 2.0]
    assert records.unseen(ids).rows == 0
    unnamed = records.without(["id"])
    assert unnamed.unseen(ids) is unnamed
