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
from detectors.text.lexicon import VERB, lexicon
from detectors.text.synonyms import senses

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
CONTRACTED = {"can't": "can", "cannot": "can", "won't": "will", "shan't": "shall"}
DETERMINERS = [
    "the",
    "a",
    "an",
    "his",
    "her",
    "its",
    "their",
    "our",
    "my",
    "this",
    "that",
    "these",
    "those",
    "another",
    "each",
]
STOPS = frozenset(
    [
        "in",
        "on",
        "at",
        "for",
        "with",
        "to",
        "from",
        "by",
        "of",
        "and",
        "or",
        "but",
        "after",
        "before",
        "when",
        "because",
        "as",
        "during",
        "until",
        "while",
        "since",
        "into",
        "over",
        "under",
        "that",
        "which",
        "who",
        "where",
        "against",
        "about",
        "through",
        "between",
        "around",
        "near",
        "than",
        "if",
        "so",
        "not",
    ]
)
SYMMETRIC = frozenset(
    [
        "be",
        "have",
        "become",
        "remain",
        "marry",
        "meet",
        "include",
        "resemble",
        "equal",
        "mean",
        "match",
        "join",
        "seem",
        "total",
        "number",
    ]
)

SHORTEST, LONGEST = 8, 40
"""Words of a sentence that is taken."""
SENTENCES = 60
"""Sentences that are looked at for one that an edit fits."""
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


def add_negation(words: Words) -> Words | None:
    """Return the words with a negation that they had not.

    Examples
    --------
    >>> add_negation("Pets are allowed".split()), add_negation("It was not so".split())
    (['Pets', 'are', 'not', 'allowed'], None)
    """
    lower = [word.lower() for word in words]
    at = next((at for at, word in enumerate(lower) if word in AUXILIARY), -1)
    if at < 1 or at > len(words) - 2 or any(_denies(word) for word in lower):
        return None
    return [*words[: at + 1], "not", *words[at + 1 :]]


def drop_negation(words: Words) -> Words | None:
    """Return the words without their only negation.

    Examples
    --------
    >>> drop_negation("Pets aren't allowed".split()), drop_negation("They can never fly".split())
    (['Pets', 'are', 'allowed'], ['They', 'can', 'fly'])
    """
    at = [at for at, word in enumerate(words) if _denies(word.lower())]
    if len(at) != 1 or at[0] == len(words) - 1:
        return None
    word = words[at[0]].lower().replace("’", "'")
    if word in ("not", "never"):
        return [*words[: at[0]], *words[at[0] + 1 :]] if at[0] else None
    plain = CONTRACTED.get(word, word.removesuffix("n't"))
    return None if plain == word else [*words[: at[0]], plain, *words[at[0] + 1 :]]


def swap_roles(words: Words) -> Words | None:
    """Return the words with what stands before and after the first transitive verb in each other's place.

    Examples
    --------
    >>> swap_roles("Acme acquired the small shop in 1999".split())
    ['The', 'small', 'shop', 'acquired', 'Acme', 'in', '1999']
    """
    held = lexicon()
    held.learn(words)
    for at in range(1, min(len(words) - 1, 6)):
        word = words[at].lower()
        if word in STOPS:
            return None
        past = word.endswith("ed") or (word in forms.IRREGULAR and not word.endswith("ing"))
        base = forms.IRREGULAR.get(word, forms.stem(word))
        if not past or base in SYMMETRIC or not held.flags[held.of[words[at]]] & VERB:
            continue
        subject, rest = words[:at], words[at + 1 :]
        size = _phrase(rest)
        whole = _phrase(subject) == len(subject)
        if not size or not whole or any(word.lower() in AUXILIARY for word in subject):
            return None
        moved = [_lowered(subject[0]), *subject[1:]]
        taken = [rest[0][:1].upper() + rest[0][1:], *rest[1:size]]
        return None if moved == rest[:size] else [*taken, words[at], *moved, *rest[size:]]
    return None


def _phrase(words: Words) -> int:
    """Return how many words from the first on name something; 0 where that is not clear."""
    first = words[0].lower() if words else ""
    if first in DETERMINERS:
        size = 1
    elif words and words[0][:1].isupper():
        size = 0
    else:
        return 0
    while size < min(len(words), 5) and _names(words[size]):
        size += 1
    ends = size == len(words) or words[size].lower() in STOPS
    return size if ends and size > (first in DETERMINERS) else 0


def _names(word: str) -> bool:
    held, lower = lexicon(), word.lower()
    held.learn([word])
    return word.isalpha() and lower not in forms.FILLERS and lower not in STOPS and not lower.endswith(("ed", "ly"))


def _lowered(word: str) -> str:
    return word.lower() if word.lower() in DETERMINERS else word


def _denies(word: str) -> bool:
    return word in forms.NEGATIONS or word.replace("’", "'").endswith("n't")


def dropped(_rng: np.random.Generator, words: Words, _known: list[str]) -> Words | None:
    return drop_negation(words)


def roles(_rng: np.random.Generator, words: Words, _known: list[str]) -> Words | None:
    return swap_roles(words)


EDITS: tuple[Edit, ...] = (number, thing, opposite, negation, limit, places, dropped, roles)


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
    cut = [re.split(r"(?<=[.!?])\s+|\n", text) for text in contexts["context"]]
    rows = []
    for attempt in range(20 * count):
        if len(rows) >= count:
            break
        edit = EDITS[attempt % len(EDITS)]
        for _ in range(SENTENCES):
            row = int(rng.integers(len(contexts)))
            words = WORD.findall(cut[row][int(rng.integers(len(cut[row])))])
            wrong = edit(rng, paraphrase(rng, words, known), known) if SHORTEST <= len(words) <= LONGEST else None
            if wrong is None:
                continue
            for label, said in ((0, paraphrase(rng, words, known)), (1, wrong)):
                source = contexts.iloc[row]
                told = {"response": " ".join(said) + ".", "context": source["context"], "doc": source["doc"]}
                rows.append({**told, "label": label, "model": "", "task": "edit"})
            break
    return pd.DataFrame(rows)
