"""Unicode normalisation of full-width digits, zero-width characters and homoglyphs, with offsets into the original."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache

# Greek, Cyrillic and Armenian letters that look like Latin ones; from the table of Unicode TR39 (confusables).
_LOOKALIKES = dict(
    zip(
        "аеорсухіјѕһԁԛԝьӏкмтвнгАВЕКМНОРСТХУІЈЅԌԚԜӀαορνυικεχτγΑΒΕΖΗΙΚΜΝΟΡΤΥΧցհոսօ",
        "aeopcyxijshdqwblkmtbhrABEKMHOPCTXYIJSGQWlaopvuikextyABEZHIKMNOPTYXghnuo",
        strict=True,
    )
)
_HOMOGLYPHS = {ord(strange): latin for strange, latin in _LOOKALIKES.items()}
_STRANGE = re.compile(r"[^\x00-\x7f]+")
_OTHER_SCRIPT = re.compile(r"[\u0370-\u058f]")
_WORD = re.compile(r"[\w.+-]{0,64}@[\w.-]+|\w+")
_LATIN = re.compile(r"[A-Za-z0-9@]")
_RANGES = ((0x80, 0x3400), (0xA8F0, 0xAA60), (0xFE00, 0x10000), (0x1D400, 0x1D800), (0x1F100, 0x1F200))


@dataclass(frozen=True, slots=True)
class NormalizedText:
    """Normalised text, with the positions of its code points in the original.

    Parameters
    ----------
    text
        Normalised text.
    places
        Position in the original of each code point, or None if they are the same.
    length
        Of the original.
    """

    text: str
    places: list[int] | None
    length: int

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Return the range of the original that corresponds to a range of the normalised text."""
        if self.places is None or end <= start:
            return start, end
        return self.places[start], self.places[end - 1] + 1


def normalize_unicode(text: str) -> NormalizedText:
    """Normalise a text to its visible form.

    Compatibility forms and digits of all scripts become ASCII, zero-width and combining characters are removed, and in
    words with mixed scripts letters that look Latin become Latin.

    Limits
    ------
    A word that consists entirely of lookalikes of one other script is unchanged.

    References
    ----------
    Unicode Standard Annex 15 (normalisation forms), Technical Standard 39 (security mechanisms).

    Examples
    --------
    >>> normalize_unicode("４\u200b1").text, normalize_unicode("４\u200b1").original(0, 2)
    ('41', (0, 3))
    >>> normalize_unicode("jаne@example.com").text == "jane@example.com"
    True
    """
    if text.isascii():
        return NormalizedText(text, None, len(text))
    table = _table()
    plain = _STRANGE.sub(lambda run: run.group().translate(table), text)
    places = None
    if len(plain) != len(text):
        places = [place for place, character in enumerate(text) if table.get(ord(character), "") is not None]
    if _OTHER_SCRIPT.search(plain):
        plain = _WORD.sub(_latin_where_mixed, plain)
    return NormalizedText(plain, places, len(text))


def _latin_where_mixed(word: re.Match[str]) -> str:
    token = word.group()
    return token.translate(_HOMOGLYPHS) if _LATIN.search(token) and not token.isascii() else token


@cache
def _table() -> dict[int, str | None]:
    table: dict[int, str | None] = {}
    for first, last in _RANGES:
        for point in range(first, last):
            character = chr(point)
            category = unicodedata.category(character)
            digit = unicodedata.digit(character, None) if category == "Nd" else None
            if category == "Cf" or unicodedata.combining(character) or 0xFE00 <= point <= 0xFE0F:  # noqa: PLR2004
                table[point] = None
            elif digit is not None:
                table[point] = str(digit)
            elif category in ("Zs", "Pd"):
                table[point] = " " if category == "Zs" else "-"
            else:
                plain = unicodedata.normalize("NFKC", character)
                if len(plain) == 1 and plain.isascii():
                    table[point] = plain
    table[0x2212] = "-"
    for point in range(0xE0000, 0xE0080):
        table[point] = None
    return table
