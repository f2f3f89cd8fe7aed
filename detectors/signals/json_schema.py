"""Whether the answer fits a JSON schema."""

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
    """Say of each response whether it is JSON that fits the schema (1) or not (0).

    ``schema`` is its text. Its own ``$schema`` names the draft, 2020-12 by default. The patterns in it are of RE2,
    and nothing outside of it is referred to: no file, no network. Missing for a response of 200,000 code points or
    more, which our own reading may have cut.

    Limits
    ------
    ``format`` is not checked, and ``patternProperties`` cannot stand beside ``unevaluatedProperties``.

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
    """Give the schema, as its text or as what it says; ``fenced`` lets JSON in a Markdown code block do.

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
