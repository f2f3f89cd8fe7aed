"""Validation of an answer as JSON with a schema, for any text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from detectors.scan.base import Span
from detectors.scan.patterns import PatternError
from detectors.schema import Schema, check, walk

DEEPEST = 64
MOST_TOKENS = 200_000
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{},]', re.DOTALL)


class JsonSchema:
    """Compiled JSON Schema; nothing is fetched, and patterns are RE2's.

    Parameters
    ----------
    schema
        Draft 2020-12 unless ``$schema`` states another.

    Raises
    ------
    PatternError
        If the schema is invalid, refers to another document, or has a pattern that RE2 does not support.

    Examples
    --------
    >>> wants = JsonSchema({"type": "object", "required": ["answer"]})
    >>> wants.problem('{"answer": 42}'), wants.problem('{"reply": 42}'), wants.problem("[" * 100_000)
    (None, "does not fit the schema's `required`", 'is nested deeper than 64 levels')
    """

    def __init__(self, schema: Mapping[str, Any] | bool) -> None:
        if any(key == "patternProperties" for key, _ in walk(schema)):
            raise PatternError("`patternProperties` is not supported in a JSON schema here; name the properties.")
        try:
            check(schema)
        except ValueError as error:
            raise PatternError(str(error)) from None
        self._schema = Schema(schema)

    def problem(self, text: str) -> str | None:
        """Return the violation of the schema in words; None if there is none. Never quotes the text.

        A single fenced code block is replaced by its content.
        """
        body = _strip_fence(text)
        excess = _too_much(body)
        if excess:
            return excess
        try:
            value = json.loads(body, parse_constant=_refuse)
        except (ValueError, RecursionError):
            return "is not valid JSON"
        try:
            keyword = self._schema.problem(value)
        except RecursionError:
            return "cannot be checked: the schema refers to itself without end"
        return None if keyword is None else f"does not fit the schema's `{keyword}`"

    def scan(self, text: str) -> list[Span]:
        """Return one finding over the whole text if it violates the schema."""
        return [Span("json_schema", 0, len(text))] if self.problem(text) else []


def _strip_fence(text: str) -> str:
    """Return the content of a single fenced code block, or the text."""
    plain = text.strip()
    head, _, rest = plain.partition("\n")
    fenced = head.strip().lower() in ("```", "```json") and rest.endswith("```")
    return rest[:-3] if fenced else text


def _too_much(text: str) -> str | None:
    """Check depth and number of tokens before parsing."""
    depth = tokens = 0
    for match in _TOKEN.finditer(text):
        sign = match.group()
        tokens += 1
        if sign in "[{":
            depth += 1
            if depth > DEEPEST:
                return f"is nested deeper than {DEEPEST} levels"
        elif sign in "]}":
            depth -= 1
    return f"has more than {MOST_TOKENS} tokens" if tokens > MOST_TOKENS else None


def _refuse(constant: str) -> Any:  # noqa: ANN401
    raise ValueError(constant)
