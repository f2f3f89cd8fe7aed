"""JSON schemas in bounded time: a reference is checked once for each part of a value, with the same answer."""

from __future__ import annotations

import json
import random
from typing import Any

import jsonschema
import pytest

from detectors.schema import Schema, check
from tests.support.nightly import nightly_except

TREE: dict[str, Any] = {
    "oneOf": [
        {"properties": {"child": {"$ref": "#"}}, "required": ["a"]},
        {"properties": {"child": {"$ref": "#"}}, "required": ["b"]},
    ]
}
"""Of an object, both alternatives look at the child: without a memory, 2^depth checks."""


def nested(depth: int) -> Any:
    return json.loads('{"child":' * depth + "1" + "}" * depth)


@pytest.mark.timeout(60)
def test_alternatives_that_refer_to_the_whole_do_not_double_the_work_with_each_level() -> None:
    assert Schema(TREE).problem(nested(60)) == "oneOf"
    assert Schema(TREE).problem({"a": 1, "child": {"b": 1}}) is None


@pytest.mark.parametrize("step", nightly_except([1, 12], 12))
def test_a_value_of_any_depth_gets_an_answer_or_a_recursion_error(step: int) -> None:
    """Where Python's stack ends inside of a library that is not Python, that is no Exception by itself."""
    schema, ends = Schema(TREE), set()
    for depth in range(20, 400, step):
        try:
            ends.add(schema.problem(nested(depth)))
        except RecursionError:
            ends.add("too deep")
    assert ends == {"oneOf", "too deep"}


def drawn(rng: random.Random, depth: int) -> Any:
    """Draw a schema that refers to `#/$defs/a` from inside of arrays and objects."""
    if depth == 0:
        return rng.choice([True, {"type": "number"}, {"type": "string"}, {"minimum": 2}, {"pattern": "^a"}])

    def part() -> Any:
        return drawn(rng, depth - 1)

    refers = {"$ref": "#/$defs/a"}
    made: list[Any] = [
        {"type": rng.choice(["object", "array", "number"])},
        {"properties": {"a": refers, "b": part()}, "required": ["a"]},
        {"anyOf": [part(), part()]},
        {"oneOf": [part(), part()]},
        {"allOf": [part(), part()]},
        {"not": part()},
        {"items": rng.choice([refers, part()]), "uniqueItems": True},
        {"properties": {"a": part()}, "additionalProperties": rng.choice([False, part()])},
        {"patternProperties": {"^a": part(), "b$": refers}, "additionalProperties": rng.choice([False, part()])},
        {"if": part(), "then": part(), "else": part()},
        {"contains": part()},
        {"enum": [1, "a", {}, []]},
    ]
    return rng.choice(made)


def value(rng: random.Random, depth: int) -> Any:
    if depth == 0 or rng.random() < 0.2:
        return rng.choice([1, 2.0, 1.0, "a", "b", None, True, [], {}])
    if rng.random() < 0.5:
        return {key: value(rng, depth - 1) for key in rng.sample("abc", rng.randint(0, 3))}
    return [value(rng, depth - 1) for _ in range(rng.randint(0, 3))]


def test_the_answer_is_that_of_jsonschema() -> None:
    rng, fits = random.Random(5), 0
    for _ in range(250):
        whole = drawn(rng, 2)
        schema = {"$defs": {"a": drawn(rng, 2)}} | (whole if isinstance(whole, dict) else {})
        ours, theirs = Schema(schema), jsonschema.Draft202012Validator(schema)
        for _ in range(6):
            some = value(rng, 3)
            error = next(theirs.iter_errors(some), None)
            assert ours.problem(some) == (error and error.validator), (schema, some)
            fits += error is None
    assert 200 < fits < 1300


def test_a_pattern_beside_additional_properties_is_linear_too() -> None:
    schema = Schema({"patternProperties": {"^(a+)+$": {}}, "additionalProperties": False})
    assert schema.problem({"a" * 50_000 + "!": 1}) == "additionalProperties"
    assert schema.problem({"a" * 50_000: 1}) is None


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"type": "nothing"}, "is not valid"),
        ({"$ref": "https://example.com/s.json"}, "nothing is fetched"),
        ({"properties": {"a": {"pattern": "(?=x)"}}}, "not one of RE2"),
        ({"patternProperties": {"(?=x)": True}}, "not one of RE2"),
        ({"patternProperties": {"x": True}, "unevaluatedProperties": False}, "use `additionalProperties`"),
    ],
)
def test_what_cannot_be_checked_is_refused_with_a_sentence(schema: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        check(schema)
