"""A column with the probability of each label: rates by labels are those of all answers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detectors.base import Finding
from monitor.checks.detect import detect
from monitor.cli.connections import open_reader
from monitor.config.load import load
from monitor.jobs.memory_baseline import baseline_for
from monitor.profiling.facts import Facts
from tests.support.windows import read_window
from tests.support.world import START, World, rows_of

HOUR = timedelta(hours=1)
REFUSED = "I'm sorry, but I can't help with that request."


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, f"sqlite:///{tmp_path / 'log.db'}")
    yield made
    made.close()


def labelled_by_complaint(length: timedelta) -> list[dict[str, Any]]:
    """Return answers of which a tenth is bad; 40 % of the bad ones are labelled, and 5 % of the good ones."""
    rng = np.random.default_rng(7)
    rows = rows_of(START, length, per_minute=40)
    bad = rng.random(len(rows)) < 0.1
    refused = rng.random(len(rows)) < np.where(bad, 0.8, 0.1)
    chances = np.where(bad, 0.4, 0.05)
    labelled = rng.random(len(rows)) < chances
    return [
        {
            **row,
            "answer": REFUSED if refused[at] else "It is on its way.",
            "plan": ("yes" if bad[at] else "no") if labelled[at] else None,
            "all null": float(chances[at]) if labelled[at] else None,
        }
        for at, row in enumerate(rows)
    ]


def look(world: World, *, probability: bool = True) -> dict[str, Finding]:
    columns = {"timestamp": "Zeit", "id": "id", "response": "answer", "label": "plan"}
    columns |= {"label_probability": "all null"} if probability else {}
    source = {"url": world.source_url, "table": "inference log", "columns": columns}
    world.configure(source=source, checks=["drift", {"rate": {"signal": "refusal"}}], signals=["refusal"])
    monitor = load(world.folder / "driftd.yaml").monitors[0]
    with open_reader(monitor) as reader:
        baseline = baseline_for(reader, monitor, START + 24 * HOUR)
        assert baseline is not None
        assert "label_probability" not in baseline.layouts
        window, _ = read_window(reader, monitor, baseline, START + 26 * HOUR)
        return {finding.method: finding for finding in detect(monitor, baseline, window)}


def test_a_rate_by_weighted_labels_is_that_of_all_answers(world: World) -> None:
    world.log(labelled_by_complaint(26 * HOUR))
    rate = look(world)["rate_rise"]
    assert rate.detail["labels_weighted"] is True
    assert float(str(rate.detail["low"])) <= 0.1 <= float(str(rate.detail["high"])) < 0.2
    assert "weighted by 1 / label_probability" in rate.reason
    unweighted = look(world, probability=False)["rate_rise"]
    assert unweighted.detail["labels_selected"] is True
    assert float(str(unweighted.detail["low"])) > 0.15


def test_labels_whose_probability_cannot_be_one_are_left_out_and_counted(world: World) -> None:
    rows = labelled_by_complaint(26 * HOUR)
    last = [row for row in rows if row["Zeit"] >= (START + 25 * HOUR).replace(tzinfo=None)]
    labelled = [row for row in last if row["plan"]]
    for row, wrong in zip(labelled, [0.0, 1.5, None, -0.2], strict=False):
        row["all null"] = wrong
    world.log(rows)
    found = look(world)
    assert found["invalid_labels"].status.value == "inconclusive"
    assert found["invalid_labels"].reason.startswith(f"invalid_labels: 4 of {len(last)} rows have a label that is left")
    assert found["rate_rise"].detail["labels"] == len(labelled) - 4
    assert found["rate_rise"].n_window == len(last)  # only the labels are left out


def test_facts_count_invalid_labels_and_older_buckets_have_none() -> None:
    some = Facts(rows=2, invalid_labels=1)
    assert Facts.from_bytes((some + some).to_bytes()).invalid_labels == 2
    assert "invalid_labels" not in Facts(rows=3).to_json()
