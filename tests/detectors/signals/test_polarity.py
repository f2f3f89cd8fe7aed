"""Negations, roles and answers that claim nothing: what likeness of words is blind to."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import pytest

from benchmarks.hallucination import pairs
from detectors import SIGNALS
from detectors.records import Column
from detectors.text.parts import PARTS
from detectors.text.support import support

POLICY = (
    "Refunds are not allowed after thirty days. Microsoft acquired GitHub in 2018 for 7.5 billion dollars. "
    "Pets are permitted in the garden, and smoking isn't allowed in any room. "
    "The painting was bought by Mary from an old dealer in Rome. Sales rose by 20 percent."
)


def scores(*answers: str, given: str = POLICY) -> list[float | None]:
    records = {"response": Column.of(answers), "context": Column.of([given] * len(answers))}
    found = SIGNALS["hallucinated"].compute(records)
    return [None if gone else float(value) for value, gone in zip(found.values, found.missing, strict=True)]


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("Refunds are not allowed after thirty days.", "Refunds are allowed after thirty days."),
        ("Refunds aren't allowed after thirty days.", "Refunds are permitted after thirty days."),
        ("Smoking is not allowed in the rooms.", "Smoking is allowed in the rooms."),
        ("Pets are permitted in the garden.", "Pets are not permitted in the garden."),
        ("Microsoft acquired GitHub in 2018.", "Microsoft did not acquire GitHub in 2018."),
        ("Microsoft acquired GitHub in 2018.", "GitHub acquired Microsoft in 2018."),
        ("GitHub was acquired by Microsoft.", "Microsoft was acquired by GitHub."),
        ("Mary bought the painting from a dealer.", "The painting bought Mary from a dealer."),
    ],
)
def test_a_turned_answer_scores_higher_than_the_right_one(right: str, wrong: str) -> None:
    low, high = scores(right, wrong)
    assert low is not None
    assert high is not None
    assert low < 0.35
    assert high > low + 0.05


@pytest.mark.parametrize(
    "said",
    [
        "I'm sorry, but I can't help with that.",
        "I'm sorry, but I can't share that. Is there anything else I can help you with?",
        "As an AI language model, I cannot provide legal advice. Please consult a professional.",
        "The provided context does not mention this.",
        "Based on the given documents, I cannot determine the answer.",
        "I don't know.",
        "Das kann ich leider nicht beantworten.",
        "申し訳ありませんが、お手伝いできません。",
        "Hello! How can I help you today?",
        "Thank you.",
    ],
)
def test_an_answer_that_claims_nothing_is_not_measured(said: str) -> None:
    assert scores(said) == [None]


@pytest.mark.parametrize(
    "said",
    [
        "I can't find the year. The shop was opened by Ann Lee in 1850.",
        "I don't know anything about him, but he is a great athlete.",
        "I know that it has six novels, but I don't know the films.",
        "Sorry, refunds are allowed after thirty days.",
        "The ministry said it could not provide a breakdown by school.",
        "Yes.",
        "Refunds are not allowed.",
    ],
)
def test_an_answer_that_claims_something_is_measured(said: str) -> None:
    assert scores(said) != [None]


def test_a_refusal_that_the_context_prescribes_is_supported() -> None:
    reply = "I'm sorry, but I can't help with that."
    (score,) = scores(reply, given=f"Say exactly this: {reply} Then end the chat.")
    assert score is not None
    assert score < 0.3


@pytest.mark.parametrize(
    "said",
    [
        "Sales rose 20 percent.",
        "In 2018, GitHub was acquired by Microsoft for 7.5 billion dollars.",
        "Mary bought the painting in Rome. Smoking is not allowed, and pets are permitted.",
        "The dealer sold the painting, and Mary bought it.",
    ],
)
def test_other_words_for_the_same_are_neither_turned_nor_denied(said: str) -> None:
    held = support(said, POLICY)
    assert held is not None
    assert (held.denials, held.swapped) == (({}, {}), {})


def test_how_much_of_the_context_stands_beside_a_word_says_how_sure_it_is() -> None:
    near = support("Refunds are allowed after thirty days.", POLICY)
    far = support("Refunds of gift cards from partner shops are allowed.", POLICY)
    assert near is not None
    assert far is not None
    assert PARTS["dropped_negations"](near) == 1.0
    assert 0 < PARTS["dropped_negations"](far) < 0.5


def test_of_pairs_from_texts_of_others_nine_in_ten_are_ordered_rightly() -> None:
    """Python's manual and the descriptions of scikit-learn's data, neither of which anything was learnt from."""
    described = files("sklearn.datasets.descr")
    documents = [*pairs.topics.values(), *(part.read_text("utf-8") for part in described.iterdir() if part.is_file())]
    found = pairs.made(documents, 80, seed=3)
    rightly = pairs.ordered(found)
    assert len(found) >= 240
    for kind in pairs.KINDS:
        mine = [right for pair, right in zip(found, rightly, strict=True) if pair.kind == kind]
        assert sum(mine) >= 0.85 * len(mine), kind
    assert rightly.mean() >= 0.9


def test_pairs_are_the_same_each_time_and_differ_in_one_thing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "The old firm bought the new shop in May. It is not open. The owner can sell it. Bread is sold there. " * 3
    found, again = pairs.made([text, POLICY], 4, seed=1), pairs.made([text, POLICY], 4, seed=1)
    assert found == again
    assert {pair.kind for pair in found} == set(pairs.KINDS)
    assert all(pair.right != pair.wrong for pair in found)
    (tmp_path / "news.jsonl").write_text(json.dumps({"context": text}) + "\n" + json.dumps({"context": POLICY}) + "\n")
    pairs.report([tmp_path / "news.jsonl"], count=4)
    assert "roles swapped" in capsys.readouterr().out
