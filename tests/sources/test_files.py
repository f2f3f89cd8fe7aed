"""Files are read in pages, whatever they hold."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from monitor.cli import score
from monitor.sources import files


def test_parquet_is_read_in_pages_and_as_a_whole_it_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of a megabyte may have billions of rows, as equal values are stored once."""
    frame = pd.DataFrame(
        {
            "amount": [1.5, None, 3.0, 4.0, 5.0],
            "plan": ["free", None, "pro", "pro", "team"],
            "paid": [True, False, True, True, False],
            "at": pd.date_range("2026-11-01", periods=5, freq="h", tz="UTC"),
        }
    )
    path = tmp_path / "records.parquet"
    frame.to_parquet(path, row_group_size=4)
    monkeypatch.setattr(files, "PAGE", 2)
    pages = list(files.frames(path))
    assert max(map(len, pages)) == 2
    pd.testing.assert_frame_equal(pd.concat(pages, ignore_index=True), frame, check_dtype=False)


def test_a_page_of_long_texts_has_fewer_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score, "LONGEST_PAGE", 10)
    rows = [(number, {"response": text, "n": 1}, None) for number, text in enumerate(["a" * 11, "b" * 6, "c" * 6, "d"])]
    pages = [[identity for identity, _ in page] for page in score._pages(iter(rows), [], lambda: None)]
    assert pages == [[0], [1, 2], [3]]
