"""Whether an answer is JSON that fits a schema, whatever it is in truth."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from detectors.scan.base import Span, readable
from detectors.scan.patterns import PatternError, compile_pattern

DEEPEST = 64
MOST_TOKENS = 200_000
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{},]', re.DOTALL)


class JsonSchema:
    """A JSON schema, ready to be asked; nothing is fetched, and patterns are RE2's.

    Parameters
    ----------
    schema
        Draft 2020-12 unless ``$schema`` says otherwise.

    Raises
    ------
    PatternError
        When the schema is no schema, refers to another document, or holds a pattern that RE2 cannot read.

    Examples
    --------
    >>> wants = JsonSchema({"type": "object", "required": ["answer"]})
    >>> wants.problem('{"answer": 42}'), wants.problem('{"reply": 42}'), wants.problem("[" * 100_000)
    (None, "does not fit the schema's `required`", 'is nested deeper than 64 levels')
    """

    def __init__(self, schema: Mapping[str, Any] | bool) -> None:
        from jsonschema import SchemaError, validators
        from referencing import Registry

        base = validators.validator_for(schema)
        try:
            base.check_schema(schema)
        except SchemaError as error:
            raise PatternError(f"the JSON schema is none: {error.message}.") from None
        for key, value in _walk(schema):
            if key in ("$ref", "$dynamicRef") and isinstance(value, str) and not value.startswith("#"):
                raise PatternError(
                    f"the JSON schema refers to {value!r}; only references inside it, `#/...`, are followed."
                )
            if key == "patternProperties":
                raise PatternError("`patternProperties` is not supported in a JSON schema here; name the properties.")
            if key == "pattern" and isinstance(value, str):
                compile_pattern("pattern", value)
        checker = validators.extend(base, {"pattern": _pattern, "uniqueItems": _unique})
        self._validator = checker(schema, registry=Registry())

    def problem(self, text: str) -> str | None:
        """Say in words of the schema what is wrong with a text; None when nothing is. Never quotes the text.

        A single fenced code block is read as what it holds.
        """
        body = _unfenced(text)
        said = _too_much(body)
        if said:
            return said
        try:
            value = json.loads(body, parse_constant=_refuse)
        except (ValueError, RecursionError):
            return "is not valid JSON"
        try:
            error = next(self._validator.iter_errors(value), None)
        except RecursionError:
            return "cannot be checked: the schema calls itself without end"
        return None if error is None else f"does not fit the schema's `{error.validator}`"

    def scan(self, text: str) -> list[Span]:
        """Return one finding over the whole text when it does not fit."""
        return [Span("json_schema", 0, len(text))] if self.problem(text) else []


def _unfenced(text: str) -> str:
    """Return what a single fenced code block holds, or the text itself."""
    plain = text.strip()
    head, _, rest = plain.partition("\n")
    fenced = head.strip().lower() in ("```", "```json") and rest.endswith("```")
    return rest[:-3] if fenced else text


def _too_much(text: str) -> str | None:
    """Count depth and tokens before anything is built."""
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


def _walk(schema: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Mapping):
            yield from node.items()
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _pattern(validator: Any, pattern: str, value: Any, _schema: Any) -> Iterator[Any]:  # noqa: ANN401
    from jsonschema import ValidationError

    if validator.is_type(value, "string") and not compile_pattern("pattern", pattern).search(readable(value)):
        yield ValidationError("does not match", validator="pattern")


def _same(value: Any) -> Any:  # noqa: ANN401
    """Write 1.0 as 1: to JSON Schema they are equal."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_same(item) for item in value]
    return {key: _same(item) for key, item in value.items()} if isinstance(value, dict) else value


def _unique(validator: Any, wanted: bool, value: Any, _schema: Any) -> Iterator[Any]:  # noqa: ANN401, FBT001
    from jsonschema import ValidationError

    if wanted and validator.is_type(value, "array"):
        seen = {json.dumps(_same(item), sort_keys=True) for item in value}
        if len(seen) < len(value):
            yield ValidationError("has duplicates", validator="uniqueItems")
