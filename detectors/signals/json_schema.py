"""Whether the answer fits a JSON schema."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from detectors.records import Column, Records
from detectors.signals.base import LONGEST_TEXT, Signal, each
from detectors.signals.patterns import compiled
from detectors.signals.valid_json import parse, unfenced


@dataclass(frozen=True)
class FitsSchema:
    """Say of each response whether it is JSON that fits the schema (1) or not (0).

    ``schema`` is its text. Its own ``$schema`` names the draft, 2020-12 by default. The patterns in it are of RE2,
    and nothing outside of it is referred to: no file, no network. Missing for a response of 200,000 code points or
    more, which our own reading may have cut.

    Limits
    ------
    The schema is trusted: alternatives nested in recursion can take long. ``format`` is not checked.

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
            return float(_validator(self.schema).is_valid(parse(unfenced(text) if self.fenced else text)))
        except (ValueError, RecursionError, OverflowError):
            return 0.0


@lru_cache(maxsize=32)
def _validator(schema: str) -> Any:  # noqa: ANN401
    import jsonschema
    import referencing

    read = parse(schema)
    usual = jsonschema.validators.validator_for(read, default=jsonschema.Draft202012Validator)
    linear = jsonschema.validators.extend(
        usual, {"pattern": _pattern, "patternProperties": _pattern_properties, "uniqueItems": _unique_items}
    )
    return linear(read, registry=referencing.Registry())


def _pattern(_: Any, pattern: str, instance: Any, __: Any) -> Iterator[Any]:  # noqa: ANN401
    if isinstance(instance, str) and not compiled(pattern).search(_bytes(instance)):
        yield _wrong("does not match")


def _pattern_properties(validator: Any, patterns: Any, instance: Any, _: Any) -> Iterator[Any]:  # noqa: ANN401
    if isinstance(instance, dict):
        for pattern, schema in patterns.items():
            search = compiled(pattern).search
            for key in instance:
                if search(_bytes(key)):
                    yield from validator.descend(instance[key], schema, path=key, schema_path=pattern)


def _unique_items(_: Any, wanted: bool, instance: Any, __: Any) -> Iterator[Any]:  # noqa: ANN401, FBT001
    """Compare canonical texts, for comparing each item with each takes quadratic time."""
    if wanted and isinstance(instance, list):
        distinct = {json.dumps(_same(item), sort_keys=True) for item in instance}
        yield from [_wrong("has equal items")] if len(distinct) < len(instance) else []


def _same(value: Any) -> Any:  # noqa: ANN401
    """Write equal numbers alike: 1.0 is 1."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_same(item) for item in value]
    return {key: _same(item) for key, item in value.items()} if isinstance(value, dict) else value


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _wrong(message: str) -> Exception:
    import jsonschema

    return jsonschema.ValidationError(message)  # type: ignore[no-any-return]


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
    import jsonschema

    try:
        read = parse(text)
    except ValueError as error:
        raise ValueError(f"the JSON schema is not JSON: {error}") from None
    try:
        jsonschema.validators.validator_for(read, default=jsonschema.Draft202012Validator).check_schema(read)
    except jsonschema.SchemaError as error:
        at = ".".join(str(part) for part in error.absolute_path) or "the top"
        raise ValueError(f"the JSON schema is not valid: {error.message[:200]}, at `{at}`.") from None
    for key, value in _walk(read):
        if key in ("$ref", "$dynamicRef") and isinstance(value, str) and not value.startswith("#"):
            raise ValueError(
                f"the JSON schema refers to {value!r}; nothing is fetched: put that part into its `$defs`."
            )
        for pattern in [value] if key == "pattern" else list(value) if key == "patternProperties" else []:
            if isinstance(pattern, str):
                compiled(pattern)


def _walk(schema: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    if isinstance(schema, dict):
        yield from schema.items()
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from _walk(part)


SIGNAL = _signal(FitsSchema("true"))
