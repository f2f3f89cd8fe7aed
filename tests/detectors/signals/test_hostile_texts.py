"""Whatever a text holds, a signal answers in bounded time and with a number in its range or with nothing."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pytest

from detectors import SIGNALS, Signal
from detectors.records import Column

NAMES = (
    "response_words",
    "question_length",
    "context_length",
    "refusal",
    "hedging",
    "repetition",
    "compression",
    "truncation",
    "language",
    "language_switch",
    "valid_json",
    "json_schema",
    "matches",
    "valid_sql",
    "uncertainty",
    "self_consistency",
    "user_feedback",
)
SHARES = set(NAMES) - {"response_words", "question_length", "context_length", "compression", "language", "uncertainty"}
ROLES = ("question", "context", "response", "samples", "logprobs", "finish_reason", "feedback")
SECONDS = 3.0
"""Of this process's own time; each takes a few tenths at most, on a machine that is busy too."""

TEXTS = {
    "empty": "",
    "blank": " \t\n\u00a0\u3000",
    "ten megabytes of a letter": "a" * 10_000_000,
    "ten megabytes of words": "I cannot help, perhaps. " * 430_000,
    "ten megabytes of lines": "\n" * 10_000_000,
    "no loop": "".join(f"{number:x} " for number in range(50_000)),
    "nested lists": "[" * 100_000,
    "nested lists, closed": "[" * 100_000 + "]" * 100_000,
    "nested objects": '{"a":' * 30_000,
    "empty objects": "[" + "{}," * 60_000 + "{}]",
    "a long number": "9" * 190_000,
    "many fences": "```" * 60_000,
    "open fence": "```json\n" + " " * 190_000,
    "quotes": '"' * 190_000,
    "brackets of SQL": "SELECT " + "(" * 19_000,
    "cases of SQL": "SELECT " + "CASE WHEN " * 1_900,
    "closed brackets of SQL": "SELECT " + "(" * 39 + "1" + ")" * 39,
    "casts of SQL": "SELECT " + "CAST(" * 38 + "1" + " AS INT)" * 38,
    "arrays of SQL": "SELECT " + "ARRAY[" * 12 + "x -> 1" + "]" * 12,
    "many arrays of SQL": "SELECT " + ", ".join(["ARRAY[" * 6 + "x -> 1" + "]" * 6] * 120),
    "wrong structs of SQL": "SELECT " + "f() OVER (STRUCT(" * 5 + "a b" + "))" * 5,
    "comments of SQL": "/*" * 9_000,
    "unions of SQL": " UNION ".join(["SELECT 1"] * 1_200),
    "combining": "e" + "\u0301" * 190_000,
    "emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 30_000,
    "right to left": "\u202e" + "\u05e9\u05dc\u05d5\u05dd " * 30_000,
    "ideographs": "抱歉我无法" * 30_000,
    "lone surrogates": "\ud800\udfff" * 1_000,
    "controls": "".join(map(chr, range(32))) * 1_000,
    "stars": "★" * 1_000,
    "backtracking": "a" * 50_000 + "!",
    "addresses": "x@" * 90_000,
    "hedges without ends": "may " * 40_000,
}


def ask(signal: Signal, text: str) -> Column:
    return signal.compute({role: Column.of([text, None]) for role in ROLES})


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("name", NAMES)
def test_the_answer_is_bounded(name: str, text: str) -> None:
    signal = SIGNALS[name]
    ask(signal, "warm")  # libraries are imported once
    before = time.process_time()
    column = ask(signal, TEXTS[text])
    assert time.process_time() - before < SECONDS
    assert len(column) == 2
    assert column.missing[1]
    if column.missing[0]:
        return
    value = column.values[0]
    if name == "language":
        assert isinstance(value, str)
        assert 2 <= len(value) <= 3
    else:
        assert np.isfinite(value)
    if name in SHARES:
        assert (-1 if name == "user_feedback" else 0) <= value <= 1


@pytest.mark.parametrize("text", ["ten megabytes of words", "nested lists, closed", "empty objects", "emoji"])
@pytest.mark.parametrize("name", NAMES)
def test_memory_is_bounded(name: str, text: str) -> None:
    ask(SIGNALS[name], "warm")
    tracemalloc.start()
    try:
        ask(SIGNALS[name], TEXTS[text])
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("name", [name for name in NAMES if SIGNALS[name].evidence])
def test_evidence_lies_in_the_response(name: str, text: str) -> None:
    evidence = SIGNALS[name].evidence
    assert evidence is not None
    said = TEXTS[text][:200_000]
    before = time.process_time()
    found = evidence(dict.fromkeys(ROLES, said))
    assert time.process_time() - before < SECONDS
    assert all(0 <= one.start < one.end <= len(said) for one in found)


@pytest.mark.parametrize("name", NAMES)
def test_a_record_does_not_depend_on_its_neighbours(name: str) -> None:
    """What a signal says of a record is the same alone and in any batch, so that pages may be cut anywhere."""
    texts = ["I'm sorry, I can't help with that request.", '{"a": 1}', "SELECT 1", "[-0.5, -2]", "👍", '["x 1", "x 2"]']
    together = SIGNALS[name].compute({role: Column.of(texts) for role in ROLES})
    for row, text in enumerate(texts):
        single = ask(SIGNALS[name], text)
        assert single.missing[0] == together.missing[row]
        if not single.missing[0]:
            assert single.values[0] == together.values[row]
