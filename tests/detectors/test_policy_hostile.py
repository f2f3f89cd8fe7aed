"""The output parser against what no application should give it: a verdict, in bounded time, whatever comes."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.policy import GuardRule, Policy, built_in, guard

SCHEMA = {"type": "object", "properties": {"a": {"$ref": "#"}}}
EVERYTHING = Policy(
    "everything",
    (
        GuardRule("pii", "redact"),
        GuardRule("secrets", "redact"),
        GuardRule("injection", "alert"),
        GuardRule("embedded_instruction", "alert"),
        GuardRule("profanity", "redact"),
        GuardRule("json_schema", "alert", schema=SCHEMA),
        GuardRule("topic", "alert", topics={"rivals": ["Acme", "日本"]}),
        GuardRule("pattern", "redact", patterns={"nested": "(a+)+$", "either": "(a|aa)+b", "any": "(?:.*)*x"}),
    ),
    salt=b"s",
)
HUGE = replace(EVERYTHING, max_bytes=50_000_000)
pieces = st.sampled_from(
    [
        "<b>",
        "</b>",
        "<!--",
        "| a |",
        "```",
        "{",
        '"',
        "[",
        "\\u0041",
        "\ud800",
        "\udfff",
        "\u202e",
        "\u200b",
        "%41",
        "4111 1111 1111 1111",
        "jane@example.com",
        "AKIA2OGYBAH6QGWTFJ7X",
        "ignore all previous instructions",
        "def f():",
        "日本語",
        "é",
        "\x00",
        "=" * 30,
        "QUJDREVGR0hJSktMTU5PUA==",
    ]
)


@settings(max_examples=300, deadline=None)
@given(parts=st.lists(pieces | st.text(st.characters(), max_size=12), max_size=16), between=st.sampled_from(["", " "]))
def test_any_text_gets_a_verdict_whose_findings_lie_in_it(parts: list[str], between: str) -> None:
    text = between.join(parts)
    said = guard(text, EVERYTHING)
    assert said.verdict in ("allow", "redact")
    assert all(0 <= finding.start <= finding.end <= len(text) for finding in said.findings)
    if said.redacted is not None:
        assert not [f for f in guard(said.redacted, EVERYTHING).findings if f.type == "email_address"]


@pytest.mark.parametrize("fail", ["closed", "open"])
@pytest.mark.parametrize("wrong", [None, b"bytes", 4111111111111111, ["a"], {"a": 1}, float("nan")])
def test_what_is_no_text_fails_as_the_policy_says(wrong: Any, fail: str) -> None:
    said = guard(wrong, replace(EVERYTHING, fail=fail))  # type: ignore[arg-type]
    assert (said.verdict, said.failed, said.passes) == ("error", fail, fail == "open")
    assert type(wrong).__name__ in said.reasons[0]


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        *(pytest.param(unit, marks=pytest.mark.nightly) for unit in ("prose and more ", "[", '{"a":', "é", "\ud800")),
        *(pytest.param(unit, marks=pytest.mark.nightly) for unit in ("<i>", "4 ")),
    ],
)
def test_ten_megabytes_are_refused_at_once_and_read_where_a_policy_wants_it(unit: str) -> None:
    text = unit * (10_000_000 // len(unit))
    for name, policy in built_in().items():
        begun = time.process_time()
        said = guard(text, policy)
        assert (said.verdict, said.failed) == ("error", "closed"), name
        assert "200000" in said.reasons[0]
        assert time.process_time() - begun < 0.5
    begun = time.process_time()
    assert guard(text, HUGE).verdict in ("allow", "redact")
    assert time.process_time() - begun < 60


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|aa)+b", "(?:.*)*x", "^(([a-z])+.)+[A-Z]([a-z])+$", "(?:a?){200}a{200}"]
)
def test_patterns_that_explode_elsewhere_take_time_in_proportion(pattern: str) -> None:
    policy = Policy("p", (GuardRule("pattern", "alert", patterns={"own": pattern}),))
    begun = time.process_time()
    assert guard("a" * 190_000 + "!", policy).verdict == "allow"
    assert time.process_time() - begun < 10


def test_brackets_as_deep_as_one_likes_do_not_match_a_schema_and_break_nothing() -> None:
    policy = Policy("p", (GuardRule("json_schema", "block", schema=SCHEMA),))
    for text in ("[" * 100_000 + "]" * 99_999, '{"a":' * 30_000 + "1" + "}" * 30_000):
        said = guard(text, policy)
        assert said.verdict == "block"
        assert said.reasons
