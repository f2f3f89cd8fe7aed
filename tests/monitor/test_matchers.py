"""Matchers over labels, as they are written in the configuration and on the command line."""

from __future__ import annotations

import pytest

from monitor.core.matchers import Silence, matches_all, parse_matcher
from tests.support.decisions import START

LABELS = {"monitor": "bot", "check": "drift", "column": "price"}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("column=price", True),
        ('column="price"', True),
        (" column = 'price' ", True),
        ("column=pric", False),
        ("column!=price", False),
        ("column!=cost", True),
        ('column=~"price|cost"', True),
        ("column=~pric", False),  # a regular expression matches the whole value
        ("column=~p.*", True),
        ("column!~p.*", False),
        ("column!~c.*", True),
        ("segment=", True),  # a label that does not apply is empty
        ("segment!=", False),
        ('segment=""', True),
        ("segment=~.+", False),
    ],
)
def test_a_matcher_compares_one_label(text: str, matches: bool) -> None:
    matcher = parse_matcher(text)
    assert matcher.matches(LABELS) is matches
    assert parse_matcher(str(matcher)) == matcher


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("price", "'price' is no matcher"),
        ("", "'' is no matcher"),
        ("column=" + "x" * 600, "is no matcher"),
        ("tenant=acme", "'tenant' is no label; a matcher can name monitor, rule, check, column, segment, severity"),
        ("column=~(", r"'\(' is no valid regular expression"),
        ("column=~(?=x)", "is no valid regular expression"),
    ],
)
def test_a_wrong_matcher_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse_matcher(text)


def test_all_matchers_of_a_silence_must_match() -> None:
    both = [parse_matcher("column=price"), parse_matcher("check=drift")]
    assert matches_all(both, LABELS)
    assert Silence(1, both, START).matches(LABELS)
    assert not Silence(1, both, START).matches({**LABELS, "check": "slo"})
