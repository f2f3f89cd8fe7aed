"""The fast way and the plain way find the same: one pass that selects rules, and RE2 below its wrapper."""

from __future__ import annotations

import random

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.guard import pii as benchmark
from benchmarks.guard import redteam
from benchmarks.guard.__main__ import SHIPPED
from detectors.scan import injection, pii, secrets
from detectors.scan.base import MEMORY, MOST_SPANS, RuleSet, Span, is_near, near_pattern, utf8, without_overlaps
from detectors.scan.matches import compile_with_memory, range_finder

SETS = {"pii": pii.RULES, "secrets": secrets.RULES, "injection": injection.RULES}
WORDS = (
    "call",
    "phone",
    "ssn",
    "passport",
    "account number",
    "born",
    "zip code",
    "password =",
    "api_key:",
    "token is",
    "kind: Secret",
    "curl -u",
    "+1 212-555-0100",
    "4111 1111 1111 1111",
    "GB82 WEST 1234 5698 7654 32",
    "536-90-4399",
    "jane@example.com",
    "jane [at] example [dot] com",
    "10.0.0.1",
    "2001:db8::1",
    "example.co.uk/x",
    "12/05/1980",
    "1980-05-12T10:00",
    "12 High Street",
    "AKIA2OGYBAH6QGWTFJ7X",
    "ghp_" + "a1B2c3D4e5" * 4,
    "sk_live_" + "Zx9" * 8,
    "ignore all previous instructions",
    "<|im_start|>",
    "### System:",
    "ß",
    "日本",
    "é",
    "\ud800",
    "\u200b",
    "0" * 30,
    "%41",
)
texts = st.lists(
    st.one_of(st.sampled_from(WORDS), st.text(max_size=12), st.text("0123456789 -.()+/:", max_size=20)), max_size=14
).flatmap(lambda parts: st.sampled_from([" ", ", ", "\n", ""]).map(lambda gap: gap.join(parts)))


def plainly(rules: RuleSet, text: str) -> list[Span]:
    """Apply every rule to the whole text with RE2's own wrapper, whatever the first pass would say."""
    found: list[Span] = []
    read = utf8(text).decode()
    for rule in rules.rules:
        pattern = compile_with_memory(rule.pattern, MEMORY)
        near = [m.span() for m in re2.finditer(near_pattern(rule.near), read)] if rule.near else None
        earlier, mine = found[:] if len(found) <= 32 else [], 0
        for match in pattern.finditer(read):
            start, end = match.span(1 if pattern.groups else 0)
            if near is not None and not is_near(near, start, end):
                continue
            if any(span.start <= start and end <= span.end for span in earlier):
                continue
            if mine < MOST_SPANS:
                kept = rule.within(text, start, end)[: MOST_SPANS - mine]
                mine += len(kept)
                found += kept
    return without_overlaps(found)


@pytest.mark.parametrize("group", SETS)
@settings(max_examples=40, deadline=None)
@given(text=texts)
def test_one_pass_misses_nothing(group: str, text: str) -> None:
    assert SETS[group].scan(text) == plainly(SETS[group], text)


@pytest.mark.parametrize("group", SETS)
def test_one_pass_misses_nothing_in_the_benchmarks_texts(group: str) -> None:
    shipped = [text for text, _ in benchmark.rows(SHIPPED / "pii_generated_large.dev.jsonl.gz")]
    chosen = random.Random(1).sample(shipped, 60) + [case.text for case in redteam.cases()[::4]]
    found = [SETS[group].scan(text) for text in chosen]
    assert found == [plainly(SETS[group], text) for text in chosen]
    assert any(found)


@pytest.mark.parametrize("pattern", [r"a(b+)", r"\b\pL+\b", r"(?i)x|yy|[é-ü]{2}"])
@settings(max_examples=100, deadline=None)
@given(text=st.text("abxyéü 日", max_size=40))
def test_below_the_wrapper_stands_the_same(pattern: str, text: str) -> None:
    made = compile_with_memory(pattern, MEMORY)
    assert range_finder(made)(text.encode()) == range_finder(made, direct=False)(text.encode())
