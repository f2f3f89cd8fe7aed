"""Validity of the answer under a JSON Schema."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from detectors.records import Column, Records
from detectors.schema import Schema, check
from detectors.signals.base import LONGEST_TEXT, Signal, each
from detectors.signals.valid_json import parse, strip_fence


@dataclass(frozen=True)
class FitsSchema:
    """Score 1 for a response that is valid JSON under the schema, 0 for any other.

    ``schema`` is its text. Its ``$schema`` selects the draft, by default 2020-12. Its patterns use RE2, and external
    references (files, network) are not allowed. Missing for responses of 200,000 code points or more, which may be
    truncated.

    Limits
    ------
    ``format`` is not checked, and ``patternProperties`` cannot be combined with ``unevaluatedProperties``.

    References
    ----------
    JSON Schema 2020-12, https://json-schema.org; as implemented in jsonschema.

    Examples
    --------
    >>> fits = FitsSchema('{"type": "object", "required": ["answer"]}')
    >>> fits({"response": Column.of(['{"answer": 42}', '{"reply": 42}', "42"])}).values.tolist()
    [1.0, 0.0, 0.0]
    """

    schema: str
    fenced: bool = False

    def __call__(self, records: Records) -> Column:
        """Return a column of 1 and 0."""
        return each(records["response"], self._fits)

    def _fits(self, text: str) -> float:
        if len(text) >= LONGEST_TEXT:
            return math.nan
        try:
            return float(_schema(self.schema).problem(parse(strip_fence(text) if self.fenced else text)) is None)
        except (ValueError, RecursionError, OverflowError):
            return 0.0


@lru_cache(maxsize=32)
def _schema(text: str) -> Schema:
    return Schema(parse(text))


def configure(*, schema: str | Mapping[str, object], fenced: bool = False) -> Signal:
    """Set the schema, as text or as an object; ``fenced`` accepts JSON in a Markdown code block.

    Examples
    --------
    >>> configure(schema={"type": "strin"})
    Traceback (most recent call last):
    ...
    ValueError: the JSON schema is not valid: 'strin' is not valid under any of the given schemas, at `type`.
    """
    text = schema if isinstance(schema, str) else json.dumps(schema, sort_keys=True)
    _check(text)
    return _signal(FitsSchema(text, fenced))


def _signal(compute: FitsSchema) -> Signal:
    return Signal(
        name="json_schema",
        needs=("response",),
        kind="numeric",
        better="higher",
        compute=compute,
        unit="1 or 0",
        cost="about 35,000 of JSON",
        citation="JSON Schema 2020-12",
        configure=configure,
    )


def _check(text: str) -> None:
    try:
        read = parse(text)
    except ValueError as error:
        raise ValueError(f"the JSON schema is not JSON: {error}") from None
    check(read)


SIGNAL = _signal(FitsSchema("true"))
