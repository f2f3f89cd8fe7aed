"""How the combination is learnt: what is made, what is left out, and that the benchmark scores as the signal does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.hallucination import edits, learn
from benchmarks.hallucination.sets import DATA, auroc, auroc_within, load, read, standard_error
from detectors import SIGNALS
from detectors.records import Column
from detectors.signals.hallucinated import combination


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return read(DATA / "summedits.dev.parquet").iloc[::40].reset_index(drop=True)


def test_the_benchmark_scores_as_the_signal_does(frame: pd.DataFrame) -> None:
    records = {role: Column.of(frame[role].tolist()) for role in ("response", "context")}
    told = combination().probability(learn.measured(frame))
    assert told == pytest.approx(SIGNALS["hallucinated"].compute(records).values, abs=1e-12)


def test_edits_are_the_same_each_time_half_of_them_wrong_and_of_known_documents(frame: pd.DataFrame) -> None:
    made, again = edits.made(frame, 60), edits.made(frame, 60)
    assert made.equals(again)
    assert made["label"].mean() == 0.5
    assert set(made["doc"]) <= set(frame["doc"])
    assert (made["response"].to_numpy()[::2] != made["response"].to_numpy()[1::2]).mean() > 0.9


@pytest.mark.parametrize("edit", edits.EDITS)
def test_every_edit_changes_the_words_or_says_that_it_cannot(edit: edits.Edit) -> None:
    sentence = {
        edits.dropped: "The old bridge was not opened in 1999 by the mayor",
        edits.roles: "The mayor opened the old bridge in 1999",
    }
    words = sentence.get(edit, "The old bridge was opened in 1999 by the mayor").split()
    known = ["bridge", "mayor", "modern", "tunnel", "close", "closed", "bread"]
    rng = np.random.default_rng(0)
    found = [edit(rng, list(words), known) for _ in range(20)]
    assert any(one is not None for one in found)
    assert all(one is None or one != words for one in found)
    assert edit(rng, ["so", "it", "is"], ["so"]) is None or edit in (edits.negation, edits.limit)


def test_what_is_left_out_takes_its_edits_with_it() -> None:
    found = {name: np.zeros((1, 2)) for name in ("begin_wow", "q2_wow", "edits begin_wow", "edits q2_wow")}
    assert set(learn.without(found, "begin")) == {"q2_wow", "edits q2_wow"}


def test_what_speaks_for_an_answer_is_silent_and_what_is_unproven_is_quieter() -> None:
    rng = np.random.default_rng(0)
    found, labels = {}, {}
    for name in ("begin_wow", "q2_wow", "summedits"):
        labels[name] = rng.integers(0, 2, 400)
        found[name] = rng.random((400, 3))
        found[name][:, 0] += labels[name]
        found[name][:, 1] -= labels[name]
    made = learn.fit(found, labels)
    assert made.weights[1] == 0
    assert 0 < made.weights[2] < 0.7 * made.weights[0]
    told = made.probability(found["q2_wow"])
    assert abs(told[labels["q2_wow"] == 1].mean() - (1 - told[labels["q2_wow"] == 0].mean())) < 0.1


def test_a_rare_part_is_not_made_loud_for_being_rare() -> None:
    rng = np.random.default_rng(0)
    labels = {"q2_wow": rng.integers(0, 2, 400)}
    found = {"q2_wow": np.stack([labels["q2_wow"] + rng.random(400), 0.01 * (np.arange(400) % 100 == 0)], axis=1)}
    made = learn.fit(found, labels)
    assert made.weights[1] < 10 * made.weights[0]


def test_areas_within_folds_do_not_compare_scores_of_different_combinations() -> None:
    label = np.array([0, 1, 0, 1])
    score = np.array([0.1, 0.2, 0.8, 0.9])
    assert auroc(label, score) == 0.75
    assert auroc_within(label, score, np.array([0, 0, 1, 1])) == 1.0


def test_answers_of_one_document_are_drawn_together() -> None:
    rng = np.random.default_rng(0)
    label = np.tile([0, 1], 100)
    score = np.repeat(rng.random(10), 20) * np.tile([-1, 1], 100) + np.repeat(rng.random(10), 20)
    alone = standard_error(label, score, np.arange(200))
    assert standard_error(label, score, np.repeat(np.arange(10), 20)) > 1.5 * alone > 0


def test_a_further_set_is_read_and_a_file_of_something_else_is_passed_over(tmp_path: Path) -> None:
    row = {"context": ["It opened in 1999.", "In Paris."], "response": "It opened.", "label": 0.0, "task": "news"}
    rows = [row, {**row, "label": 1.0}, {**row, "label": -1.0}, {**row, "context": None}]
    pd.DataFrame(rows).to_json(tmp_path / "frank.jsonl", orient="records", lines=True)
    pd.DataFrame([{"response": "x", "label": 1}]).to_parquet(tmp_path / "closed_book.parquet")
    (tmp_path / "notes.md").write_text("nothing")
    found, _ = load([tmp_path, DATA])
    assert found["frank"]["label"].tolist() == [0, 1]
    assert "closed_book" not in found
    assert {"doc", "model"} <= set(found["frank"].columns)
