"""Answers made from contexts: sentences in other words, half of them with one edit that makes them wrong.

They teach the combination what an edit weighs beside a paraphrase, and need nobody's labels: a number or a thing is
replaced by another, a word by its opposite, a negation or a limit comes in, or two things change places.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd

from detectors.text import forms
from detectors.text.senses import senses

WORD = re.compile(r"\d[\d,.]*\d|\d|[^\W\d_]+(?:['’][^\W\d_]+)*")
AUXILIARY = frozenset(
    [
        "is",
        "are",
        "was",
        "were",
        "has",
        "have",
        "had",
        "can",
        "could",
        "will",
        "would",
        "should",
        "may",
        "might",
        "does",
        "did",
    ]
)
SHORTEST, LONGEST = 8, 40
"""Words of a sentence that is taken."""
OTHER_WORDS = 4
"""Words at most that are replaced by others of the same meaning."""

Words = list[str]
Edit = Callable[[np.random.Generator, Words, list[str]], Words | None]


@cache
def _by_meaning(known: frozenset[str]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    for word in sorted(known):
        for meaning in senses(word).own[:3]:
            found[meaning].append(word)
    return found


def _pick(rng: np.random.Generator, options: list[int] | list[str]) -> int | str | None:
    return options[int(rng.integers(len(options)))] if options else None


def _put(words: Words, at: int, word: str) -> Words:
    return [*words[:at], word.title() if words[at][:1].isupper() else word, *words[at + 1 :]]


def _content(words: Words) -> list[int]:
    return [
        at for at, word in enumerate(words) if len(word) > 3 and word.isalpha() and word.lower() not in forms.SMALL_TALK
    ]


def number(rng: np.random.Generator, words: Words, _known: list[str]) -> Words | None:
    at = _pick(rng, [at for at, word in enumerate(words) if word[0].isdigit()])
    if not isinstance(at, int):
        return None
    value = forms.number(words[at]) or 1.0
    return [*words[:at], f"{value + rng.choice([-3, -2, -1, 1, 2, 5, 10]):g}", *words[at + 1 :]]


def thing(rng: np.random.Generator, words: Words, known: list[str]) -> Words | None:
    here = {word.lower() for word in words}
    at = _pick(rng, [at for at in _content(words) if senses(words[at].lower()).thing])
    new = _pick(rng, [word for word in rng.choice(known, 20).tolist() if word not in here and senses(word).thing])
    return _put(words, at, new) if isinstance(at, int) and isinstance(new, str) else None


def opposite(rng: np.random.Generator, words: Words, known: list[str]) -> Words | None:
    at = _pick(rng, [at for at in _content(words) if senses(words[at].lower()).opposed])
    if not isinstance(at, int):
        return None
    by = _by_meaning(frozenset(known))
    new = _pick(rng, [word for one in senses(words[at].lower()).opposed for word in by.get(one, [])])
    return _put(words, at, new) if isinstance(new, str) else None


def negation(rng: np.random.Generator, words: Words, _known: list[str]) -> Words | None:
    at = _pick(rng, [at for at, word in enumerate(words) if word.lower() in AUXILIARY])
    return [*words[: at + 1], "not", *words[at + 1 :]] if isinstance(at, int) else None


def limit(rng: np.random.Generator, words: Words, _known: list[str]) -> Words | None:
    at = int(rng.integers(1, len(words)))
    return [*words[:at], str(_pick(rng, ["only", "never", "without", "instead of"])), *words[at:]]


def places(rng: np.random.Generator, words: Words, _known: list[str]) -> Words | None:
    at = [at for at in _content(words) if senses(words[at].lower()).thing]
    if len(at) < 2:
        return None
    one, two = sorted(rng.choice(at, 2, replace=False).tolist())
    return [*words[:one], words[two], *words[one + 1 : two], words[one], *words[two + 1 :]]


EDITS: tuple[Edit, ...] = (number, thing, opposite, negation, limit, places)


def paraphrase(rng: np.random.Generator, words: Words, known: list[str]) -> Words:
    """Replace some words by others that may mean the same, and leave some out at an end."""
    by = _by_meaning(frozenset(known))
    for at in rng.permutation(_content(words))[: rng.integers(0, OTHER_WORDS + 1)].tolist():
        here = words[at].lower()
        new = _pick(rng, [word for one in senses(here).own[:2] for word in by.get(one, []) if word != here])
        words = _put(words, at, new) if isinstance(new, str) else words
    return words


def made(frame: pd.DataFrame, count: int, seed: int = 0) -> pd.DataFrame:
    """Return answers with contexts, labels and documents; every sentence is taken as it is meant and edited."""
    rng = np.random.default_rng(seed)
    contexts = frame.drop_duplicates("context").sort_values("context").reset_index(drop=True)
    known = sorted(
        {
            word.lower()
            for text in contexts["context"].head(400)
            for word in WORD.findall(text)
            if len(word) > 3 and word.isalpha()
        }
    )
    rows = []
    for _ in range(20 * count):
        if len(rows) >= count:
            break
        source = contexts.iloc[int(rng.integers(len(contexts)))]
        sentences = [WORD.findall(part) for part in re.split(r"(?<=[.!?])\s+|\n", source["context"])]
        fitting = [words for words in sentences if SHORTEST <= len(words) <= LONGEST]
        if not fitting:
            continue
        words = fitting[int(rng.integers(len(fitting)))]
        wrong = EDITS[int(rng.integers(len(EDITS)))](rng, paraphrase(rng, words, known), known)
        if wrong is None:
            continue
        for label, said in ((0, paraphrase(rng, words, known)), (1, wrong)):
            told = {
                "response": " ".join(said) + ".",
                "context": source["context"],
                "label": label,
                "doc": source["doc"],
            }
            rows.append({**told, "model": "", "task": "edit"})
    return pd.DataFrame(rows)
