"""Signals of the format of an answer: JSON, a schema, a pattern, SQL; and the options that they take."""

from __future__ import annotations

import json
import logging
import random
import re
import sys
from typing import Any

import jsonschema
import pytest

from detectors import SIGNALS
from detectors.signals.valid_json import strip_fence
from tests.detectors.signals.asking import of
from tests.support.nightly import nightly

JSON_TEXTS = [
    "{}",
    "[]",
    "1",
    "-0.5e+3",
    '"a"',
    "null",
    "true",
    ' {"a": [1, {"b": null}]} ',
    '"\\ud83d"',
    "1e999",
    "9" * 5000,
    "",
    "{",
    "{'a': 1}",
    '{"a": 1,}',
    "[1,]",
    "NaN",
    "Infinity",
    "-Infinity",
    "01",
    "1.",
    "+1",
    "tru",
    '{"a" 1}',
    "// c\n1",
    '"a',
    '"a\nb"',
    "Here it is: {}",
    '```json\n{"a": 1}\n```',
    "{} {}",
]


def strict(text: str) -> bool:
    """RFC 8259 by its grammar, one token at a time."""
    string = r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"'
    token = re.compile(
        rf"\s*(?:({string})|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)|(true|false|null)|([\[\]{{}}:,]))"
    )
    tokens, place = [], 0
    while place < len(text.rstrip(" \t\n\r")):
        found = token.match(text, place)
        if not found:
            return False
        tokens.append("s" if found[1] else found[4] or "v")
        place = found.end()
    shape = "".join(tokens)
    while True:
        smaller = re.sub(r"\{(?:s:[sv](?:,s:[sv])*)?\}|\[(?:[sv](?:,[sv])*)?\]", "v", shape)
        if smaller == shape:
            return shape in ("s", "v")
        shape = smaller


def test_valid_json_against_the_grammar() -> None:
    assert of("valid_json", *JSON_TEXTS) == [float(strict(text)) for text in JSON_TEXTS]
    configure = SIGNALS["valid_json"].configure
    assert configure is not None
    assert of(configure(fenced=True), '```json\n{"a": 1}\n```', "```\n[1\n```", "{}") == [1.0, 0.0, 1.0]
    assert of("valid_json", "1" * 200_000) == [None]


SCHEMA = {
    "type": "object",
    "required": ["answer", "score"],
    "properties": {
        "answer": {"type": "string", "minLength": 1, "pattern": "^[A-Z]"},
        "score": {"type": "integer", "minimum": 0, "maximum": 10},
        "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}, "uniqueItems": True, "maxItems": 3},
    },
    "patternProperties": {"^x_": {"type": "number"}},
    "additionalProperties": False,
    "$defs": {"tag": {"anyOf": [{"type": "string"}, {"type": "number"}]}},
}


def test_json_schema_against_jsonschema() -> None:
    configure = SIGNALS["json_schema"].configure
    assert configure is not None
    signal = configure(schema=SCHEMA)
    rng = random.Random(0)
    odd: list[Any] = ["no", "", 11, -1, 2.5, True, None, {}]
    values: dict[str, list[Any]] = {
        "answer": ["Yes", "Perhaps", *odd],
        "score": [3, 3.0, 10, *odd],
        "tags": [[], ["a", "b"], ["a", "a"], ["a", 1, 1.0], [1, True], [1, None], ["a"] * 4, [{}, {}], *odd],
        "x_a": [1, 2.5, *odd],
    }
    must = ["answer", "score"]
    documents: list[Any] = []
    for _ in range(3000):
        keys = [*must, *rng.sample(["tags", "x_a"], rng.randint(0, 2))] if rng.random() < 0.9 else ["tags"]
        documents.append({key: rng.choice(values[key]) for key in keys})
    documents += [{"answer": "Yes", "score": 3, "other": 1}, {"answer": "Yes", "score": 3}, 5, [], None]
    expected = [float(jsonschema.Draft202012Validator(SCHEMA).is_valid(document)) for document in documents]
    assert 50 < sum(expected) < 2000
    assert of(signal, *map(json.dumps, documents)) == expected
    assert of(signal, "no JSON", "[" * 100_000) == [0.0, 0.0]


def test_a_large_list_of_objects_is_compared_in_linear_time() -> None:
    configure = SIGNALS["json_schema"].configure
    assert configure is not None
    signal = configure(schema={"uniqueItems": True})
    items = ",".join(f'{{"a":{number}}}' for number in range(15_000))
    assert of(signal, f"[{items}]", f'[{items},{{"a":7.0}}]') == [1.0, 0.0]


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("json_schema", {"schema": "{"}, "is not JSON"),
        ("json_schema", {"schema": {"type": 5}}, "at `type`"),
        ("json_schema", {"schema": {"$ref": "https://example.com/x.json"}}, "nothing is fetched"),
        ("json_schema", {"schema": {"properties": {"a": {"pattern": "(?=x)"}}}}, "RE2"),
        ("matches", {"pattern": "a(?!b)"}, "Look-around"),
        ("matches", {"pattern": "x", "role": "label"}, "`role` is one of"),
        ("matches", {"pattern": "\ud800"}, "is not one of RE2"),
        ("valid_sql", {"dialect": "postgrs"}, "did you mean postgres"),
        ("valid_sql", {"dialect": "zzz"}, "there are"),
        ("language", {"among": ["en", "xx"]}, "'xx'"),
        ("language", {"among": "en"}, "a list"),
        ("user_feedback", {"low": 1, "high": 1}, "below `high`"),
    ],
)
def test_options_that_cannot_be_are_refused_with_a_reason(name: str, options: dict[str, Any], says: str) -> None:
    configure = SIGNALS[name].configure
    assert configure is not None
    with pytest.raises(ValueError, match=re.escape(says)):
        configure(**options)


def test_matches_like_re_where_the_two_agree() -> None:
    configure = SIGNALS["matches"].configure
    assert configure is not None
    texts = ["ID-17", "an id-17", "Größe 5", "größe", "ID-", "naïve café", "a\nID-3"]
    for pattern in (r"^ID-\d+", r"\bid\b", "gr(ö|o)ße", r"(?m)^ID", r"\pL+ \d", "caf."):
        python = re.compile(pattern.replace(r"\pL", r"[^\W\d_]"), re.IGNORECASE)
        assert of(configure(pattern=pattern, ignore_case=True), *texts) == [
            float(bool(python.search(t))) for t in texts
        ]
    asked = configure(pattern="refund", role="question")
    assert asked.needs == ("question",)
    assert of(asked, question=["a refund?", "hello"]) == [1.0, 0.0]
    evidence = configure(pattern=r"\d+").evidence
    assert evidence is not None
    (found,) = evidence({"response": "Größe 🤖 42!"})
    assert "Größe 🤖 42!"[found.start : found.end] == "42"


SQL = {
    "SELECT 1": 1.0,
    "select a, count(*) from t where d > date '2026-01-01' group by a having count(*) > 3 order by 2;": 1.0,
    "WITH x AS (SELECT 1 AS a) SELECT * FROM x JOIN y USING (a)": 1.0,
    "-- a remark\nINSERT INTO t (a) VALUES (1), (2)": 1.0,
    "UPDATE t SET a = 1 WHERE b IN (SELECT b FROM u)": 1.0,
    "DELETE FROM t": 1.0,
    "CREATE TABLE t (a INT PRIMARY KEY)": 1.0,
    "(SELECT 1) UNION ALL (SELECT 2)": 1.0,
    "SELECT FROM WHERE": 0.0,
    "SELECT a FROM t WHERE (b = 1": 0.0,
    "SELECT 'open": 0.0,
    "Select a parcel, please, Anna.": 0.0,
    "With regard to your order: it left.": 0.0,
    "The query is SELECT 1": 0.0,
    "": 0.0,
    ";": 0.0,
    "```sql\nSELECT 1\n```": 0.0,
}


def test_sql() -> None:
    assert of("valid_sql", *SQL) == list(SQL.values())
    configure = SIGNALS["valid_sql"].configure
    assert configure is not None
    assert of(configure(fenced=True), "```sql\nSELECT 1\n```") == [1.0]
    bracketed = "SELECT TOP 3 [a b] FROM [t]"
    assert of(configure(dialect="tsql"), bracketed) == [1.0]


def test_sql_that_is_not_known_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        of("valid_sql", "ALTER TABLE t FROBNICATE secret_column", "CREATE FOO secret_column", "DROP secret_column bar")
    assert "secret_column" not in caplog.text


def test_what_stands_in_a_code_block_is_what_the_plain_pattern_says() -> None:
    """The pattern is the rule as it was first written; by backtracking, it takes n^3 steps for blank lines."""
    rule = re.compile(r"\s*```[\w+-]*\s*\n(.*?)\n?\s*```\s*", re.DOTALL)
    rng, blocks = random.Random(3), 0
    pieces = ["```", "`", "\n", "\n\n", " ", "\t", "json", "c++", "a", "{", "é", "\u3000", "\x1c", "-", "\r\n"]
    for _ in range(30_000):
        text = "".join(rng.choices(pieces, k=rng.randint(1, 8)))
        text = f"```{text}```" if rng.random() < 0.6 else text
        block = rule.fullmatch(text)
        assert strip_fence(text) == (block[1] if block else text), text
        blocks += block is not None
    assert blocks > 1_000


@pytest.mark.timeout(60)
def test_comments_before_a_statement_may_stand_in_any_number() -> None:
    assert of("valid_sql", "/**/" * 40 + "x", "/**/" * 4_000 + "select 1", "/* a */ -- b\n (\xa0select 1)") == [0, 1, 1]
    assert of("valid_sql", "/* /* */ */ select 1", "/* select 1", "selecté", "-- select 1", "/*/ select 1") == [
        1,
        0,
        0,
        0,
        0,
    ]


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("dialect", "text"),
    [
        (None, "SELECT a" + ".f(1)" * 3_000),
        (None, "SELECT " + "ARRAY[" * 40 + "x -> 1" + "]" * 40),
        nightly((None, "SELECT " + ", ".join(["ARRAY[" * 8 + "x -> 1" + "]" * 8] * 120))),
        nightly(("mysql", "SELECT [" + "`b` (a) -> " * 1_500)),
    ],
)
def test_sql_that_the_parser_cannot_read_in_bounded_time_has_no_value(dialect: str | None, text: str) -> None:
    configure = SIGNALS["valid_sql"].configure
    assert configure is not None
    profile = sys.getprofile()
    assert of(configure(dialect=dialect), text, "SELECT 1") == [None, 1.0]
    assert sys.getprofile() is profile


def test_long_sql_of_the_usual_kind_has_a_value() -> None:
    numbers = ", ".join(map(str, range(3_000)))
    assert of("valid_sql", f"SELECT a FROM b WHERE c IN ({numbers})", f"SELECT {numbers} FROM") == [1.0, 0.0]
    assert of("valid_sql", "SELECT " + "(" * 20 + "1" + ")" * 20, "SELECT " + "f(a, " * 20 + "1" + ")" * 20) == [
        1.0,
        1.0,
    ]
