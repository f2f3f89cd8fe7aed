"""The words of logged chats: the quick way tells what the long way tells, and what is odd is not lost."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.sources.chat import ASSISTANTS, USERS, _common_text, _search_text, decode_common, extract_text, read_texts

TEXTS = st.sampled_from(["", " ", "Hello", "Was it\nlost?", "Grüße", '{"text": "no"}'])
ROLES = st.sampled_from(["user", "User", "assistant", "system", "text", "", None])
TYPES = st.sampled_from(["text", "message", "tool_use", "reasoning", None])
CHATS = st.recursive(
    TEXTS | st.none() | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.fixed_dictionaries(
            {},
            optional={
                **dict.fromkeys(("choices", "message", "messages", "delta", "content", "text", "usage"), inner),
                "role": ROLES,
                "type": TYPES,
            },
        )
    ),
    max_leaves=12,
)


@given(CHATS, st.sampled_from([USERS, ASSISTANTS]))
def test_the_quick_way_tells_what_the_long_way_tells(chat: Any, speakers: tuple[str, ...]) -> None:
    text = json.dumps(chat)
    if text[:1] in '{["':
        assert extract_text(text, speakers) == _search_text(text, speakers)


@pytest.mark.parametrize(
    ("chat", "speakers", "told"),
    [
        ([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], USERS, "a"),
        ([{"role": "user", "content": "a"}, {"role": "user", "content": "b"}], USERS, "b"),
        ({"messages": [{"role": "human", "content": "a", "name": None}]}, USERS, "a"),
        ({"id": 1, "choices": [{"index": 0, "message": {"role": "assistant", "content": "b"}}]}, ASSISTANTS, "b"),
        ({"role": "assistant", "content": "b"}, ASSISTANTS, "b"),
    ],
)
def test_the_usual_shapes_go_the_quick_way(chat: Any, speakers: tuple[str, ...], told: str) -> None:
    assert _common_text(decode_common(json.dumps(chat)), speakers) == told


@pytest.mark.parametrize("chat", [[{"role": "user", "content": [{"text": "a"}]}], {"type": "tool_use", "content": "x"}])
def test_what_may_be_unsaid_or_in_parts_does_not(chat: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_common(json.dumps(chat))


def test_odd_values_are_read_and_made_safe() -> None:
    long = json.dumps({"content": "a" * 40})
    told = [
        '{"content": "a\\u0000b"}',
        long,
        '{"content": "cut',
        '{"content": "x", "n": NaN}',
        {"content": "dict"},
        None,
    ]
    column = read_texts(told, "response", 30)
    assert column.values.tolist() == ["ab", "a" * 30, '{"content": "cut', "x", "dict", None]
    assert column.missing.tolist() == [False, False, False, False, False, True]
