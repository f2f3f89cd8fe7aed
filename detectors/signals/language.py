"""The language of the answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from detectors.records import Column, Records
from detectors.signals.base import Signal

PREFIX = 200
"""Code points that are looked at."""
FEWEST_LETTERS = 20
"""Letters below which a language cannot be told; ideographs and syllables count as four."""
CONFIDENT = 0.6
"""Probability below which a language is not told."""
_CODE = re.compile(r"```.*?(?:```|$)|`[^`\n]*`|https?://\S+|\S+@\S+", re.DOTALL)
_DENSE = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


@dataclass(frozen=True)
class Language:
    """Name the language of each response by its ISO 639 code, such as ``en``.

    The first 200 code points without code and addresses. Missing where they hold fewer than 20 letters, or where the
    language cannot be told with a probability of 0.6.

    Limits
    ------
    Close relatives are confused in short texts (Norwegian and Danish, Croatian and Serbian); ``among`` names the
    languages that can occur and helps. A mixture gets the language that dominates its beginning.

    References
    ----------
    Lui, Baldwin, *langid.py: an off-the-shelf language identification tool*, ACL 2012; its model as in py3langid.

    Examples
    --------
    >>> said = ["The parcel will arrive on Monday.", "Das Paket kommt am Montag an.", "OK"]
    >>> column = Language()({"response": Column.of(said)})
    >>> column.values[:2].tolist(), column.missing.tolist()
    (['en', 'de'], [False, False, True])
    """

    among: tuple[str, ...] = ()

    def __call__(self, records: Records) -> Column:
        """Return a column of codes."""
        texts = records["response"]
        return Column.of(
            None if gone else language_of(str(text)[: 4 * PREFIX], self.among)
            for text, gone in zip(texts.values, texts.missing, strict=True)
        )


@lru_cache(maxsize=4096)
def language_of(beginning: str, among: tuple[str, ...] = ()) -> str | None:
    """Return the ISO 639 code of the language of a text, or None when it cannot be told.

    Examples
    --------
    >>> language_of("Le colis arrivera lundi prochain."), language_of("12345")
    ('fr', None)
    """
    marked = "`" in beginning or "@" in beginning or "://" in beginning
    text = (_CODE.sub(" ", beginning) if marked else beginning)[:PREFIX]
    if sum(map(str.isalpha, text)) + 3 * len(_DENSE.findall(text)) < FEWEST_LETTERS:
        return None
    code, probability = _identifier(among).classify(text)
    return str(code) if probability >= CONFIDENT else None


@lru_cache(maxsize=8)
def _identifier(among: tuple[str, ...]) -> Any:  # noqa: ANN401
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    if among:
        identifier.set_languages(among)
    return identifier


def configure(*, among: Sequence[str] = ()) -> Signal:
    """Name the languages that can occur, by ISO 639 code.

    Examples
    --------
    >>> configure(among=["en", "xx"])
    Traceback (most recent call last):
    ...
    ValueError: 'xx' is not a language that can be told; give codes of ISO 639, such as en, de, fr.
    """
    if isinstance(among, str) or not all(isinstance(code, str) for code in among):
        raise ValueError("`among` is a list of language codes, such as [en, de].")
    known = _identifier(()).labels if among else ()
    for code in among:
        if code not in known:
            raise ValueError(f"{code!r} is not a language that can be told; give codes of ISO 639, such as en, de, fr.")
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
