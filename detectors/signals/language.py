"""Language of the answer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from detectors.records import Column, Records
from detectors.signals.base import Signal

PREFIX = 200
"""Number of code points that are read."""
FEWEST_LETTERS = 20
"""Fewest letters for a detection; ideographs and syllables count as four."""
AT_ONCE = 256
"""Number of texts per batch."""
CONFIDENT = 0.6
"""Smallest probability of a detected language."""
_CODE = re.compile(r"```.*?(?:```|$)|`[^`\n]*`|https?://\S+|\S+@\S+", re.DOTALL)
_DENSE = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


@dataclass(frozen=True)
class Language:
    """Detect the language of each response, as ISO 639 code such as ``en``.

    Reads the first 200 code points, without code and addresses. Missing with fewer than 20 letters, or with a
    probability below 0.6.

    Limits
    ------
    Similar languages are confused in short texts (Norwegian and Danish, Croatian and Serbian); ``among`` restricts the
    languages and improves accuracy. A mixed text has the language that dominates its start.

    References
    ----------
    Lui, Baldwin, *langid.py: an off-the-shelf language identification tool*, ACL 2012; its model as in py3langid.

    Examples
    --------
    >>> texts = ["The parcel will arrive on Monday.", "Das Paket kommt am Montag an.", "OK"]
    >>> column = Language()({"response": Column.of(texts)})
    >>> column.values[:2].tolist(), column.missing.tolist()
    (['en', 'de'], [False, False, True])
    """

    among: tuple[str, ...] = ()

    def __call__(self, records: Records) -> Column:
        """Return a column of codes."""
        texts = records["response"]
        beginnings = [
            None if gone else str(text)[: 4 * PREFIX] for text, gone in zip(texts.values, texts.missing, strict=True)
        ]
        detected = detect_languages([text for text in beginnings if text is not None], self.among)
        return Column.of(None if text is None else detected[text] for text in beginnings)


def detect_languages(beginnings: Sequence[str], among: tuple[str, ...] = ()) -> dict[str, str | None]:
    """Return the languages of many texts, as `detect_language`, but faster.

    Examples
    --------
    >>> sorted(detect_languages(["Le colis arrivera lundi prochain.", "It will arrive on Monday."]).values())
    ['en', 'fr']
    """
    languages: dict[str, str | None] = {}
    distinct = list(dict.fromkeys(beginnings))
    for start in range(0, len(distinct), AT_ONCE):
        few = distinct[start : start + AT_ONCE]
        identifier = _identifier(among)
        identifier.walk([text for text in map(_telling, few) if text])
        languages |= {text: detect_language(text, among) for text in few}
    return languages


@lru_cache(maxsize=4096)
def detect_language(beginning: str, among: tuple[str, ...] = ()) -> str | None:
    """Return the ISO 639 code of the language of a text, or None if it is uncertain.

    Examples
    --------
    >>> detect_language("Le colis arrivera lundi prochain."), detect_language("12345")
    ('fr', None)
    """
    text = _telling(beginning)
    if text is None:
        return None
    code, probability = _identifier(among).classify(text)
    return str(code) if probability >= CONFIDENT else None


def _telling(beginning: str) -> str | None:
    """Return the part of a text that is analysed; None if it is too short."""
    marked = "`" in beginning or "@" in beginning or "://" in beginning
    text = (_CODE.sub(" ", beginning) if marked else beginning)[:PREFIX]
    letters = sum(map(str.isalpha, text)) + 3 * len(_DENSE.findall(text))
    return text if letters >= FEWEST_LETTERS else None


@lru_cache(maxsize=8)
def _identifier(among: tuple[str, ...]) -> Any:  # noqa: ANN401
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    class Identifier(LanguageIdentifier):  # type: ignore[misc]
        """Count the features of many texts in one pass through the automaton, one character of all texts at a time."""

        def __init__(self, *model: Any, **named: Any) -> None:  # noqa: ANN401
            super().__init__(*model, **named)
            self.counted: dict[bytes, Counter[int]] = {}
            self._tables = (np.asarray(self.tk_nextmove), np.array(self._rowbase), np.array(self.tk_output))

        def walk(self, texts: Sequence[str]) -> None:
            encoded = sorted({self._encode(text) for text in texts}, key=len, reverse=True)
            self.counted = dict(zip(encoded, _count_features(encoded, *self._tables), strict=True))

        def _raw_score(self, text: bytes) -> Any:  # noqa: ANN401
            visits = self.counted.get(text)
            return self._sparse_score(visits, self.nb_ptc) if visits else super()._raw_score(text)

    identifier = Identifier.from_model_file(MODEL_FILE, norm_probs=True)
    if among:
        identifier.set_languages(among)
    return identifier


def _count_features(
    texts: Sequence[bytes], moves: np.ndarray, bases: np.ndarray, outs: np.ndarray
) -> list[Counter[int]]:
    """Return the count of each feature in each text, the longest text first."""
    if not texts:
        return []
    sizes = np.array([len(text) for text in texts])
    letters = np.zeros((len(texts), sizes[0]), dtype=np.int64)
    letters[np.arange(sizes[0]) < sizes[:, None]] = np.frombuffer(b"".join(texts), dtype=np.uint8)
    states = np.zeros_like(letters)
    state = np.zeros(len(texts), dtype=np.int64)
    alive = np.searchsorted(-sizes, -np.arange(sizes[0]))
    for place, many in enumerate(alive.tolist()):
        state = moves[bases[state[:many]] + letters[:many, place]]
        states[:many, place] = state
    counts = outs[states]
    counts[np.arange(sizes[0]) >= sizes[:, None]] = -1
    each = counts >= 0
    listed, bounds = counts[each].tolist(), [0, *np.cumsum(each.sum(axis=1)).tolist()]
    return [Counter(listed[start:end]) for start, end in pairwise(bounds)]


def configure(*, among: Sequence[str] = ()) -> Signal:
    """Set the languages that can occur, by ISO 639 code.

    Examples
    --------
    >>> configure(among=["en", "xx"])
    Traceback (most recent call last):
    ...
    ValueError: 'xx' is not a supported language; use codes of ISO 639, such as en, de, fr.
    """
    if isinstance(among, str) or not all(isinstance(code, str) for code in among):
        raise ValueError("`among` must be a list of language codes, such as [en, de].")
    supported = _identifier(()).labels if among else ()
    for code in among:
        if code not in supported:
            raise ValueError(f"{code!r} is not a supported language; use codes of ISO 639, such as en, de, fr.")
    return Signal(
        name="language",
        needs=("response",),
        kind="categorical",
        compute=Language(tuple(among)),
        unit="ISO 639 code",
        cost="about 10,000",
        citation="Lui and Baldwin 2012",
        configure=configure,
    )


SIGNAL = configure()
