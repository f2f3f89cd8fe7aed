"""JSON Schema validation in bounded time for any value.

Keywords of `jsonschema` whose time is not proportional to the value are replaced: patterns use RE2, equal items are
compared by their canonical texts, and a referenced schema is evaluated once per part of a value. Otherwise a schema
that refers to itself from two alternatives takes twice as long for each level of nesting.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from detectors.signals.patterns import compile_linear

Keyword = Callable[[Any, Any, Any, Any], Any]
REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_KNOWN: ContextVar[dict[tuple[int, str, int], str | None]] = ContextVar("known")
"""Cache of the current validation: reference and part of the value to the violated keyword; None if valid."""


class Schema:
    """JSON Schema; nothing outside of it is fetched.

    Parameters
    ----------
    schema
        Draft 2020-12 unless its ``$schema`` states another.

    Limits
    ------
    ``format`` is not checked. If ``$dynamicAnchor`` gives one name to several places, references are evaluated without
    the cache, which can be slow for nested recursive alternatives.

    Examples
    --------
    >>> tree = Schema({"anyOf": [{"type": "number"}, {"type": "array", "items": {"$ref": "#"}}]})
    >>> tree.problem([[1], 2]), tree.problem([["1"], 2])
    (None, 'anyOf')
    """

    def __init__(self, schema: Mapping[str, Any] | bool) -> None:
        import jsonschema
        import referencing

        base = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
        own = {name: keyword for name, keyword in _KEYWORDS.items() if name in base.VALIDATORS}
        anchors = Counter(value for key, value in walk(schema) if key in ("$dynamicAnchor", "$recursiveAnchor"))
        if max(anchors.values(), default=1) == 1:
            own |= {name: _once(name, base.VALIDATORS[name]) for name in REFERENCES if name in base.VALIDATORS}
        self._validator = jsonschema.validators.extend(base, own)(schema, registry=referencing.Registry())

    def problem(self, value: Any) -> str | None:  # noqa: ANN401
        """Return the first keyword that a value violates, None if it is valid.

        Raises
        ------
        RecursionError
            If the value is nested too deeply, or the schema refers to itself without end.
        """
        token = _KNOWN.set({})
        try:
            error = next(self._validator.iter_errors(value), None)
        except BaseException as failure:
            # A stack overflow inside `rpds`, which is Rust, is a panic, which is not an Exception.
            if type(failure).__module__ != "pyo3_runtime":
                raise
            raise RecursionError("the value is nested too deeply for the schema.") from None
        finally:
            _KNOWN.reset(token)
        return None if error is None else str(error.validator)


def check(schema: Any) -> None:  # noqa: ANN401
    """Raise ValueError if a schema is invalid, has external references or has an unsupported pattern.

    Examples
    --------
    >>> check({"$ref": "other.json"})
    Traceback (most recent call last):
    ...
    ValueError: the JSON schema refers to 'other.json'; nothing is fetched: put that part into its `$defs`.
    """
    import jsonschema

    try:
        jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator).check_schema(schema)
    except jsonschema.SchemaError as error:
        at = ".".join(str(part) for part in error.absolute_path) or "the top"
        raise ValueError(f"the JSON schema is not valid: {error.message[:200]}, at `{at}`.") from None
    for key, value in walk(schema):
        if key in REFERENCES and isinstance(value, str) and not value.startswith("#"):
            raise ValueError(
                f"the JSON schema refers to {value!r}; nothing is fetched: put that part into its `$defs`."
            )
    check_patterns(schema)


def check_patterns(schema: Any) -> None:  # noqa: ANN401
    """Raise ValueError if a valid schema has a pattern that RE2 does not support.

    Examples
    --------
    >>> check_patterns({"pattern": "(?=x)"})
    Traceback (most recent call last):
    ...
    ValueError: the pattern '(?=x)' is not one of RE2: invalid perl operator: (?=. Look-around and ...
    """
    items = list(walk(schema))
    for key, value in items:
        for pattern in [value] if key == "pattern" else list(value) if key == "patternProperties" else []:
            if isinstance(pattern, str):
                compile_linear(pattern)
    if {"patternProperties", "unevaluatedProperties"} <= {key for key, _ in items}:
        raise ValueError(
            "the JSON schema has both `patternProperties` and `unevaluatedProperties`, which cannot be checked in "
            "linear time together; use `additionalProperties` instead of the latter."
        )


def walk(schema: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    """Yield every key of a schema with its value, at any depth."""
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Mapping):
            yield from node.items()
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _once(name: str, keyword: Keyword) -> Keyword:
    """Wrap a referring keyword so that it evaluates each part of a value once."""

    def check_once(validator: Any, reference: Any, instance: Any, schema: Any) -> Iterator[Any]:  # noqa: ANN401
        results, key = _KNOWN.get(), (id(schema), name, id(instance))
        if key not in results:
            error = next(iter(keyword(validator, reference, instance, schema) or ()), None)
            results[key] = None if error is None else str(error.validator)
        wrong = results[key]
        if wrong is not None:
            yield _error("does not fit what is referred to", validator=wrong)

    return check_once


def _pattern(_: Any, pattern: str, instance: Any, __: Any) -> Iterator[Any]:  # noqa: ANN401
    if isinstance(instance, str) and not _search(pattern, instance):
        yield _error("does not match")


def _pattern_properties(validator: Any, patterns: Any, instance: Any, _: Any) -> Iterator[Any]:  # noqa: ANN401
    if isinstance(instance, dict):
        for pattern, schema in patterns.items():
            for key in instance:
                if _search(pattern, key):
                    yield from validator.descend(instance[key], schema, path=key, schema_path=pattern)


def _additional_properties(validator: Any, allowed: Any, instance: Any, schema: Any) -> Iterator[Any]:  # noqa: ANN401
    if not isinstance(instance, dict):
        return
    named, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for key in instance:
        if key not in named and not any(_search(pattern, key) for pattern in patterns):
            if isinstance(allowed, dict):
                yield from validator.descend(instance[key], allowed, path=key)
            elif not allowed:
                yield _error("has another property")


def _unique_items(_: Any, wanted: bool, instance: Any, __: Any) -> Iterator[Any]:  # noqa: ANN401, FBT001
    """Compare canonical texts, as comparing all pairs of items takes quadratic time."""
    if wanted and isinstance(instance, list):
        distinct = {json.dumps(_same(item), sort_keys=True) for item in instance}
        yield from [_error("has equal items")] if len(distinct) < len(instance) else []


_KEYWORDS: Mapping[str, Keyword] = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "uniqueItems": _unique_items,
}


def _search(pattern: str, text: str) -> bool:
    return compile_linear(pattern).search(text.encode("utf-8", "replace")) is not None


def _same(value: Any) -> Any:  # noqa: ANN401
    """Normalise equal numbers: 1.0 to 1."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_same(item) for item in value]
    return {key: _same(item) for key, item in value.items()} if isinstance(value, dict) else value


def _error(message: str, **details: Any) -> Exception:  # noqa: ANN401
    import jsonschema

    return jsonschema.ValidationError(message, **details)  # type: ignore[no-any-return]
