"""Groundedness on real answers that people have judged, and on texts made to break it."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from detectors import SIGNALS
from detectors.records import Column
from detectors.signals.hallucinated import combination
from detectors.text.parts import PARTS, join_context, parts
from detectors.text.reading import spans
from detectors.text.support import support

DATA = Path(__file__).parents[3] / "benchmarks" / "data"
NAMES = (
    "groundedness",
    "weakest_claim",
    "number_mismatch",
    "name_mismatch",
    "negation_mismatch",
    "opposite_words",
    "copy_rate",
    "hallucinated",
)


def rows(name: str) -> list[dict[str, object]]:
    with gzip.open(DATA / f"{name}.dev.jsonl.gz", "rt", encoding="utf-8") as file:
        return [row for line in file if (row := json.loads(line))["label"] >= 0 and row["context"]]


def auroc(name: str, signal: str, model: str | None = None) -> float:
    kept = [row for row in rows(name) if model is None or row["model"] == model]
    records = {role: Column.of([join_context(row[role]) for row in kept]) for role in ("response", "context")}
    found = SIGNALS[signal].compute(records)
    label = np.array([row["label"] for row in kept])[~found.missing]
    sides = [found.values[~found.missing][label == one] for one in (1, 0)]
    return float(stats.mannwhitneyu(*sides).statistic / len(sides[0]) / len(sides[1]))


@pytest.mark.parametrize(
    ("name", "model", "least"),
    [("begin_wow", None, 0.90), ("begin_wow", "ctrl", 0.78), ("begin_tc", None, 0.88), ("q2_wow", None, 0.70)],
)
def test_people_and_the_score_agree_on_the_shipped_sets(name: str, model: str | None, least: float) -> None:
    """A guard against breaking it: these rows were learnt from, `make bench-hallucination` holds whole sets out."""
    assert auroc(name, "hallucinated", model) >= least


def one(signal: str, said: str, given: str) -> float:
    return float(SIGNALS[signal].compute({"response": Column.of([said]), "context": Column.of([given])}).values[0])


SOURCE = (
    "The city council approved the new bridge on 12 March 2021. It will cost 3.5 million euros and open before the "
    "summer. Mayor Anna Schmidt said that the old bridge was not safe. Traffic rose by 20 percent in ten years."
)


@pytest.mark.parametrize(
    ("signal", "right", "wrong"),
    [
        ("number_mismatch", "It costs 3,500,000 euros.", "It costs 5.3 million euros."),
        ("number_mismatch", "Traffic rose by twenty percent.", "Traffic rose by thirty percent."),
        ("name_mismatch", "The mayor, Anna Schmidt, spoke.", "The mayor, Peter Braun, spoke."),
        ("negation_mismatch", "The old bridge was not safe.", "The council never approved it in March."),
        ("opposite_words", "Traffic rose.", "Traffic fell."),
        (
            "weakest_claim",
            "The council approved the bridge.",
            "The council approved the bridge. Penguins waltz in Peru.",
        ),
        ("hallucinated", "The council approved the new bridge.", "The president rejected a tunnel in 1987."),
    ],
)
def test_what_likeness_is_blind_to_is_seen(signal: str, right: str, wrong: str) -> None:
    assert one(signal, right, SOURCE) < one(signal, wrong, SOURCE)


def test_evidence_points_at_the_words() -> None:
    said = "It costs 5.3 million euros.\nMayor Peter Braun\u00a0said so. 🙂 The council never approved it in March."
    found = {}
    for name in ("number_mismatch", "name_mismatch", "negation_mismatch", "hallucinated"):
        evidence = SIGNALS[name].evidence
        assert evidence is not None
        found[name] = [said[part.start : part.end] for part in evidence({"response": said, "context": SOURCE})]
    assert found["number_mismatch"] == ["5.3"]
    assert found["name_mismatch"] == ["Peter", "Braun"]
    assert found["negation_mismatch"] == ["never"]
    assert any(text.endswith("in March") for text in found["hallucinated"])


def test_the_words_that_were_read_are_found_again_in_the_text() -> None:
    for row in rows("q2_wow")[:200]:
        said = str(row["response"])
        held = support(said, join_context(row["context"]))
        if held is not None:
            at = spans(said, held.lexicon)
            assert len(at) == len(held.answer.ids)
            assert all(said[start:end].strip() for start, end in at)
            assert [start for start, _ in at] == sorted(start for start, _ in at)


HOSTILE = {
    "huge": ("the bridge was safe. " * 500_000, SOURCE),
    "huge context": ("The bridge is safe.", SOURCE * 40_000),
    "one word": ("a" * 1_000_000, SOURCE),
    "marks": ("!?." * 300_000, SOURCE),
    "numbers": ("1,000.5 " * 50_000, "2 " * 50_000),
    "nul": ("\x00\ud800\uffff" * 1000, SOURCE),
    "html": ("<b>" * 50_000 + "bridge", SOURCE),
    "ideographs": ("桥" * 50_000, "桥是安全的。" * 5_000),
    "negations": ("not " * 50_000, "never " * 50_000),
    "json": ("[" * 100_000, SOURCE),
    "table": ("| 1 | 2 |\n" * 20_000, "| 3 |\n" * 20_000),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_text_takes_long_or_breaks_it(kind: str) -> None:
    said, given = HOSTILE[kind]
    begun = time.process_time()
    for name in NAMES:
        column = SIGNALS[name].compute({"response": Column.of([said]), "context": Column.of([given])})
        assert column.missing[0] or np.isfinite(column.values[0])
    assert time.process_time() - begun < 20


def test_a_list_of_passages_is_one_context_and_an_empty_side_is_missing() -> None:
    records = {
        "response": Column.of(["It cost 3.5 million.", "", "…", None, "fine"]),
        "context": Column.of([[SOURCE] * 200, SOURCE, SOURCE, SOURCE, None]),
    }
    for name in NAMES:
        assert SIGNALS[name].compute(records).missing.tolist() == [False, True, True, True, True]


def test_every_part_speaks_against_the_answer_and_comes_from_named_data() -> None:
    assert (combination().weights >= 0).all()
    held = support("It costs 5.3 million euros, not 3.5.", SOURCE)
    assert held is not None
    assert parts(held).shape == (len(PARTS),)
    assert (parts(held) >= 0).all()
    told = json.loads((Path(__file__).parents[3] / "detectors" / "data" / "hallucinated.json").read_text())
    assert set(told["weights"]) == set(PARTS)
    assert sum(told["provenance"]["rows"].values()) > 5000
