"""Validity of the answer as JSON."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any

from detectors.records import Column, Records
from detectors.signals.base import LONGEST_TEXT, Signal, each

MOST_DIGITS = 400
"""Number of digits from which on an integer is parsed as a float, as conversion takes quadratic time."""
_FENCE = "```"
_LANGUAGE = re.compile(r"[\w+-]*+")


@dataclass(frozen=True)
class ValidJson:
    """Score 1 for a response that is JSON as a whole, 0 for any other.

    Strict RFC 8259: NaN, comments, trailing commas and surrounding text are invalid. ``fenced`` accepts a single
    Markdown code block as the response. Missing for responses of 200,000 code points or more, which may be truncated.

    Limits
    ------
    JSON nested deeper than about a thousand levels counts as invalid, as it is for most parsers.

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
    """Parse JSON strictly, in linear time; ValueError for invalid or too deeply nested JSON.

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
    r"""Return the content of a text that is one code block, else the text.

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
    """Set whether JSON in a Markdown code block is accepted.

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
