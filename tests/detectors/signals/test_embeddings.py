"""Embeddings: what people ask about drifts in other words, and the same questions in another order do not."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest

import monitor.cli.demo
from detectors import DETECTORS, SIGNALS, assess
from detectors.base import Status
from detectors.embedding import embed
from detectors.joint import learn_embedding
from detectors.profile import Profile
from detectors.records import Column

DATA = Path(monitor.cli.demo.__file__).parent / "data" / "begin_wow.jsonl.gz"
ARTS = re.compile(r"\b(music|guitar|song|band|album|movie|film|actor)", re.IGNORECASE)


@pytest.fixture(scope="module")
def asked() -> tuple[np.ndarray, np.ndarray]:
    """Real questions of a dialogue, and which of them are about the arts."""
    with gzip.open(DATA, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    rows = [row for row in rows if row["question"]]
    texts = np.array([row["question"] for row in rows], dtype=object)
    return texts, np.array([bool(ARTS.search(row["question"] + row["context"])) for row in rows])


def profile(texts: np.ndarray) -> Profile:
    column = SIGNALS["question_embedding"].compute({"question": Column.of(texts.tolist())})
    return Profile.of(column, learn_embedding())


def test_a_change_of_topic_stands_out_of_the_null(asked: tuple[np.ndarray, np.ndarray]) -> None:
    texts, arts = asked
    rng = np.random.default_rng(0)
    baseline = profile(texts)

    def distance(pool: np.ndarray) -> float:
        found = assess(DETECTORS["mmd"], baseline, profile(rng.choice(pool, 300)), column="q")
        assert found.statistic is not None
        return found.statistic

    unchanged = [distance(texts) for _ in range(100)]
    assert distance(texts[arts]) > max(unchanged)


def test_profiles_of_halves_add_up_and_texts_that_are_missing_are_counted() -> None:
    texts = np.array(["Where is my parcel?", None, "", "Do you know jazz?"], dtype=object)
    assert profile(texts[:2]) + profile(texts[2:]) == profile(texts)
    assert (profile(texts).n, profile(texts).missing) == (2, 2)
    few = assess(DETECTORS["mmd"], profile(texts), profile(texts), column="q")
    assert few.status is Status.INCONCLUSIVE


def test_embedding_is_the_mean_of_the_token_vectors_whatever_the_batch() -> None:
    texts = [f"parcel number {n} is late" for n in range(130)]
    together = embed(texts)
    alone = np.concatenate([embed([text]) for text in texts])
    assert np.array_equal(together, alone)
    assert np.allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-5)
    huge = embed(["word " * 2_000_000])
    assert np.isfinite(huge).all()
