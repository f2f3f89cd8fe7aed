"""Senses of English words: synonyms and antonyms."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from detectors.text import forms

ENDINGS = (
    ("ies", "y"),
    ("ves", "f"),
    ("es", "e"),
    ("es", ""),
    ("s", ""),
    ("ed", "e"),
    ("ed", ""),
    ("ing", "e"),
    ("ing", ""),
    ("er", "e"),
    ("er", ""),
    ("est", "e"),
    ("est", ""),
    ("'s", ""),
    ("’s", ""),
)
"""Endings of inflected words and of their base forms (as in WordNet's `morphy`)."""


MEANINGS = 90_000
"""Upper bound of the numbers of senses."""
FIRST_NOUN, FIRST_ADVERB, FIRST_VERB = 16_157, 67_964, 71_222
"""Senses are numbered by part of speech: adjectives, nouns, adverbs, verbs."""


@dataclass(frozen=True)
class WordSenses:
    """Senses of a word, as numbers.

    Parameters
    ----------
    own
        Senses of the word, the most frequent ones first.
    related
        Senses related to its own: similar, derived, of the same group.
    opposed
        Antonyms of its own senses.
    thing
        Whether it is a concrete or dated object, or is not in the dictionary, as most such words are names.
    """

    own: tuple[int, ...] = ()
    related: tuple[int, ...] = ()
    opposed: tuple[int, ...] = ()
    thing: bool = True


@cache
def _table() -> dict[str, str]:
    """Load the line of each word, once per process: 0.1 s and 15 MB.

    WordNet 3.1, Miller, *WordNet: a lexical database for English*, CACM 1995; its licence is stored with the data.
    """
    text = gzip.decompress((files("detectors") / "data" / "senses.tsv.gz").read_bytes()).decode("ascii")
    return {word: rest for word, _, rest in (line.partition("\t") for line in text.splitlines())}


def bases(word: str) -> list[str]:
    """Return the dictionary words of which a lower-case word may be a form.

    Examples
    --------
    >>> bases("running"), bases("left"), bases("cities"), bases("xyzzy")
    (['running', 'run'], ['left', 'leave'], ['city'], [])
    """
    table = _table()
    forms_of_word = [word, forms.IRREGULAR.get(word, "")]
    for ending, instead in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 2:
            stump = word[: -len(ending)]
            forms_of_word.append(stump + instead)
            if ending in ("ed", "ing") and len(stump) > 3 and stump[-1] == stump[-2]:
                forms_of_word.append(stump[:-1])
    return [base for base in dict.fromkeys(forms_of_word) if base in table]


def senses(word: str) -> WordSenses:
    """Look up a lower-case word.

    Examples
    --------
    >>> first, second = senses("bought"), senses("purchase")
    >>> bool(set(first.own) & set(second.own)), senses("dog").thing, senses("discuss").thing
    (True, True, False)
    >>> bool(set(senses("improved").opposed) & set(senses("worsened").own))
    True
    """
    entries = [_table()[base].split("\t") for base in bases(word)]
    if not entries:
        return WordSenses()
    own, related, opposed = (
        tuple(dict.fromkeys(int(one) for cells in entries for one in cells[column].split(",") if one))
        for column in (1, 2, 3)
    )
    return WordSenses(own, related, opposed, thing=entries[0][0] == "1")


def is_verb(word: str) -> bool:
    """Return whether a lower-case word is a verb of action and not a noun in the same form.

    Examples
    --------
    >>> [is_verb(word) for word in ("acquired", "met", "sends", "mayor", "quickly", "plan", "plans")]
    [True, True, True, False, False, False, False]
    """
    meanings = senses(word).own
    if not any(meaning >= FIRST_VERB for meaning in meanings):
        return False
    past = word.endswith("ed") or word in forms.IRREGULAR
    return past or not any(FIRST_NOUN <= meaning < FIRST_ADVERB for meaning in meanings)
