"""Whether the answer is JSON."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any

from detectors.records import Column, Records
from detectors.signals.base import LONGEST_TEXT, Signal, each

MOST_DIGITS = 400
"""Digits of a whole number from which on it is read as a float; converting more takes quadratic time."""
_FENCE = "```"
_LANGUAGE = re.compile(r"[\w+-]*+")


@dataclass(frozen=True)
class ValidJson:
    """Say of each response whether the whole of it is JSON (1) or not (0).

    Strictly after RFC 8259: NaN, comments, trailing commas and words around it are wrong. ``fenced`` takes what
    stands in one Markdown code block for the response. Missing for a response of 200,000 code points or more, which
    our own reading may have cut.

    Limits
    ------
    Nested deeper than about a thousand levels it counts as wrong, as it would for most who read it.

    References
    ----------
    Bray, *The JavaScript Object Notation (JSON) data interchange format*, RFC 8259, 2017.

    Examples
    --------
    >>> ValidJson()({"response": Column.of(['{"a": 1}', "{'a': 1}", "[1, NaN]", "[" * 100_000])}).values.tolist()
    [1.0, 0.0, 0.0, 0.0]
    """

    fenced: bool = False

    def __call__(self, records: Records) -> Column:
        """Return a column of 1 and 0."""
        return each(records["response"], self._valid)

    def _valid(self, text: str) -> float:
        if len(text) >= LONGEST_TEXT:
            return math.nan
        try:
            parse(strip_fence(text) if self.fenced else text)
        except ValueError:
            return 0.0
        return 1.0


def parse(text: str) -> Any:  # noqa: ANN401
    """Read JSON strictly, in linear time; ValueError for whatever is wrong, the depth included.

    Examples
    --------
    >>> parse('{"a": [1, 2.5, null]}')
    {'a': [1, 2.5, None]}
    """
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply.") from None


def strip_fence(text: str) -> str:
    r"""Return what stands in the one code block that a text consists of, or else the text.

    Examples
    --------
    >>> strip_fence("```json\n[1]\n```")
    '[1]'
    """
    block = text.strip()
    if not (block.startswith(_FENCE) and block.endswith(_FENCE)):
        return text
    inside = _LANGUAGE.sub("", block[len(_FENCE) : -len(_FENCE)], count=1)
    body = inside.lstrip()
    _, line_break, indent = inside[: len(inside) - len(body)].rpartition("\n")
    return f"{indent}{body}".rstrip() if line_break else text


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is not JSON.")


def _whole(digits: str) -> float:
    return int(digits) if len(digits) < MOST_DIGITS else math.inf


_DECODER = json.JSONDecoder(parse_int=_whole, parse_constant=_refuse)


def configure(*, fenced: bool = False) -> Signal:
    """Say whether JSON in a Markdown code block will do.

    Examples
    --------
    >>> configure(fenced=True).name
    'valid_json'
    """
    return Signal(
        name="valid_json",
        needs=("response",),
        kind="numeric",
        better="higher",
        compute=ValidJson(fenced),
        unit="1 or 0",
        cost="over 400,000",
        citation="RFC 8259",
        configure=configure,
    )


SIGNAL = configure()
