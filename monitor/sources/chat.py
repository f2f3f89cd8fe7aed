"""Extract the text of chat messages that are logged as JSON.

A question is the last message of the user, a response the message of the assistant. Supported are OpenAI's messages
and choices, with texts or parts; Anthropic's and Gemini's blocks; OpenTelemetry's messages with parts; LangChain's
and Langfuse's envelopes (``messages``, ``input``, ``output``, ``content`` …). Text that is not JSON is returned
unchanged.

Common formats are decoded directly to :class:`ChatMessage`, which is ten times as fast as a generic search in the
result of ``json.loads``; all other formats are searched generically.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from detectors.records import Column
from monitor.sources.values import clean, make_column

USERS = ("user", "human")
ASSISTANTS = ("assistant", "ai", "model")
NAMES = (
    "choices",
    "message",
    "messages",
    "delta",
    "contents",
    "content",
    "parts",
    "text",
    "output_text",
    "output",
    "outputs",
    "response",
    "answer",
    "input",
    "inputs",
    "question",
    "query",
    "prompt",
    "generations",
    "kwargs",
    "candidates",
    "value",
    "result",
)
ENVELOPES = {name: place for place, name in enumerate(NAMES)}
"""Priority of keys that may contain the text, lowest first."""
NO_TEXT = ("tool", "function", "image", "thinking", "reasoning")
MAX_DEPTH = 12
OPENING = ("{", "[", '"')


class ChatMessage(msgspec.Struct, gc=False):
    """A message or envelope in the common formats, with the text as a single string.

    Other types of fields are a decoding error, after which the generic search is used.
    """

    choices: list[ChatMessage] | None = None
    message: ChatMessage | None = None
    messages: list[ChatMessage] | None = None
    delta: None = None
    contents: None = None
    content: str | None = None
    role: str | None = None
    type: None = None


decode_common = msgspec.json.Decoder(list[ChatMessage] | ChatMessage).decode
decode_any = msgspec.json.Decoder().decode


def read_texts(values: Sequence[Any], role: str, limit: int) -> Column:
    """Extract the text of the user (for the role ``question``) or of the assistant (for others) from each value."""
    speakers = USERS if role == "question" else ASSISTANTS
    texts = (value if value is None or type(value) is str else clean(value, limit) for value in values)
    return make_column([None if text is None else extract_text(text, speakers) for text in texts], limit)


def extract_text(value: Any, speakers: tuple[str, ...]) -> str | None:  # noqa: ANN401
    """Return the text of the last message of the speakers, None if there is none.

    Examples
    --------
    >>> extract_text('[{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello"}]', USERS)
    'Hello'
    >>> extract_text('{"choices": [{"message": {"role": "assistant", "content": "Hi"}}]}', ASSISTANTS)
    'Hi'
    >>> extract_text("{}", USERS) is None
    True
    """
    text = str(value)
    if text[:1] not in OPENING and text.lstrip()[:1] not in OPENING:
        return text or None
    try:
        text_of_chat = _common_text(decode_common(text), speakers)
    except (ValueError, RecursionError):
        text_of_chat = None
    return text_of_chat or _search_text(text, speakers)


def _common_text(read: ChatMessage | list[ChatMessage], speakers: tuple[str, ...]) -> str | None:
    """Return the text from the common formats, None if the generic search is needed."""
    turn = _last_message(read, speakers) if isinstance(read, list) else read
    while turn is not None:
        if listed := turn.choices:
            turn = _last_message(listed, speakers)
        elif turn.message is not None:
            turn = turn.message
        elif listed := turn.messages:
            turn = _last_message(listed, speakers)
        else:
            return turn.content if turn.content and not turn.content.isspace() else None
    return None


def _last_message(turns: list[ChatMessage], speakers: tuple[str, ...]) -> ChatMessage | None:
    """Return the last message of a speaker, or the only message if it has no role."""
    for turn in reversed(turns):
        if turn.role and turn.role.lower() in speakers:
            return turn
    return turns[0] if len(turns) == 1 and turns[0].role is None else None


def _search_text(text: str, speakers: tuple[str, ...]) -> str | None:
    try:
        read = _parse_json(text)
    except (ValueError, RecursionError):
        return text  # truncated or not JSON
    parts: list[str] = []
    _collect(read, speakers, 0, parts)
    joined = "\n".join(part for part in parts if part.strip())
    return joined or (None if read in ({}, [], "", [{}]) or _holds_messages(read) else text)


def _parse_json(text: str) -> Any:  # noqa: ANN401
    try:
        return decode_any(text)
    except ValueError:
        return json.loads(text)  # accepts NaN and lone surrogates


def _holds_messages(read: Any) -> bool:  # noqa: ANN401
    """Return whether the JSON is a list of messages, so that no text means no message of the speakers."""
    listed = read if isinstance(read, list) else next((read[k] for k in ("messages", "choices") if k in read), None)
    return isinstance(listed, list) and bool(listed) and isinstance(listed[0], dict)


def _collect(read: Any, speakers: tuple[str, ...], depth: int, parts: list[str]) -> None:  # noqa: ANN401
    if isinstance(read, str):
        parts.append(read)
    elif depth > MAX_DEPTH:
        return
    elif isinstance(read, dict):
        if str(read.get("type", "")).startswith(NO_TEXT):
            return
        # iterate over the keys of the message: they are fewer than the envelopes
        places = [ENVELOPES[key] for key, value in read.items() if key in ENVELOPES and value not in (None, [], {})]
        if places:
            _collect(read[NAMES[min(places)]], speakers, depth + 1, parts)
    elif isinstance(read, list):
        _collect_listed(read, speakers, depth, parts)


def _collect_listed(read: list[Any], speakers: tuple[str, ...], depth: int, parts: list[str]) -> None:
    """Collect the text of a list; of messages, only the last one of the speakers."""
    by_speaker = [(_speaker(one), one) for one in read if isinstance(one, dict)]
    messages = [(speaker, one) for speaker, one in by_speaker if speaker]
    for one in [one for speaker, one in messages if speaker in speakers][-1:] if messages else read:
        _collect(one, speakers, depth + 1, parts)


def _speaker(message: dict[str, Any]) -> str:
    kind = message.get("role") or (message.get("type") if "content" in message else None)
    return str(kind).lower() if kind and str(kind).lower() not in ("text", "message") else ""
