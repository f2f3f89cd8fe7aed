"""The words of a chat that was logged as JSON, in the shapes that tools write.

A question is what the user said last, a response what the assistant said. Known are OpenAI's messages and choices, with
texts or parts; Anthropic's and Gemini's blocks; OpenTelemetry's messages with parts; LangChain's and Langfuse's
envelopes (``messages``, ``input``, ``output``, ``content`` …). A text that is no JSON is taken as it is.

The usual shapes are decoded straight into :class:`ChatMessage`, which is ten times as fast as looking through what
``json.loads`` made; whatever does not fit there is looked through.
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
"""What holds the words, what is looked into first having the lowest place."""
UNSAID = ("tool", "function", "image", "thinking", "reasoning")
DEEPEST = 12
OPENING = ("{", "[", '"')


class ChatMessage(msgspec.Struct, gc=False):
    """A message, or what messages stand in, as most tools write it: the first of `NAMES`, whose words are one text.

    A field that holds something else, and a kind that may be unsaid, is an error: then the long way is taken.
    """

    choices: list[ChatMessage] | None = None
    message: ChatMessage | None = None
    messages: list[ChatMessage] | None = None
    delta: None = None
    contents: None = None
    content: str | None = None
    role: str | None = None
    type: None = None


usual = msgspec.json.Decoder(list[ChatMessage] | ChatMessage).decode
loosely = msgspec.json.Decoder().decode


def read_words(values: Sequence[Any], role: str, limit: int) -> Column:
    """Return what was logged as the words of the user (of the role ``question``) or of the assistant (any other)."""
    speakers = USERS if role == "question" else ASSISTANTS
    texts = (value if value is None or type(value) is str else clean(value, limit) for value in values)
    return make_column([None if text is None else words(text, speakers) for text in texts], limit)


def words(value: Any, speakers: tuple[str, ...]) -> str | None:  # noqa: ANN401
    """Return the words, None where nothing was logged.

    Examples
    --------
    >>> words('[{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello"}]', USERS)
    'Hello'
    >>> words('{"choices": [{"message": {"role": "assistant", "content": "Hi"}}]}', ASSISTANTS)
    'Hi'
    >>> words("{}", USERS) is None
    True
    """
    text = str(value)
    if text[:1] not in OPENING and text.lstrip()[:1] not in OPENING:
        return text or None
    try:
        text_of_chat = _usual_words(usual(text), speakers)
    except (ValueError, RecursionError):
        text_of_chat = None
    return text_of_chat or _any_words(text, speakers)


def _usual_words(read: ChatMessage | list[ChatMessage], speakers: tuple[str, ...]) -> str | None:
    """Return the words of the usual shapes, None where only the long way can tell."""
    turn = _spoken(read, speakers) if isinstance(read, list) else read
    while turn is not None:
        if listed := turn.choices:
            turn = _spoken(listed, speakers)
        elif turn.message is not None:
            turn = turn.message
        elif listed := turn.messages:
            turn = _spoken(listed, speakers)
        else:
            return turn.content if turn.content and not turn.content.isspace() else None
    return None


def _spoken(turns: list[ChatMessage], speakers: tuple[str, ...]) -> ChatMessage | None:
    """Return the last turn of a speaker, or the only one of nobody."""
    for turn in reversed(turns):
        if turn.role and turn.role.lower() in speakers:
            return turn
    return turns[0] if len(turns) == 1 and turns[0].role is None else None


def _any_words(text: str, speakers: tuple[str, ...]) -> str | None:
    try:
        read = _parse_json(text)
    except (ValueError, RecursionError):
        return text  # cut short, or never JSON
    parts: list[str] = []
    _collect(read, speakers, 0, parts)
    joined = "\n".join(part for part in parts if part.strip())
    return joined or (None if read in ({}, [], "", [{}]) or _holds_messages(read) else text)


def _parse_json(text: str) -> Any:  # noqa: ANN401
    try:
        return loosely(text)
    except ValueError:
        return json.loads(text)  # takes NaN and lone halves of surrogates, too


def _holds_messages(read: Any) -> bool:  # noqa: ANN401
    """Say whether these are messages in which nobody of the wanted kind said a word."""
    listed = read if isinstance(read, list) else next((read[k] for k in ("messages", "choices") if k in read), None)
    return isinstance(listed, list) and bool(listed) and isinstance(listed[0], dict)


def _collect(read: Any, speakers: tuple[str, ...], depth: int, parts: list[str]) -> None:  # noqa: ANN401
    if isinstance(read, str):
        parts.append(read)
    elif depth > DEEPEST:
        return
    elif isinstance(read, dict):
        if str(read.get("type", "")).startswith(UNSAID):
            return
        # A message has few keys and the envelopes are many.
        places = [ENVELOPES[key] for key, value in read.items() if key in ENVELOPES and value not in (None, [], {})]
        if places:
            _collect(read[NAMES[min(places)]], speakers, depth + 1, parts)
    elif isinstance(read, list):
        _collect_listed(read, speakers, depth, parts)


def _collect_listed(read: list[Any], speakers: tuple[str, ...], depth: int, parts: list[str]) -> None:
    """Go through a list: of messages only those of the speakers, of a user's only the last."""
    said_by = [(_speaker(one), one) for one in read if isinstance(one, dict)]
    spoken = [(speaker, one) for speaker, one in said_by if speaker]
    for one in [one for speaker, one in spoken if speaker in speakers][-1:] if spoken else read:
        _collect(one, speakers, depth + 1, parts)


def _speaker(message: dict[str, Any]) -> str:
    kind = message.get("role") or (message.get("type") if "content" in message else None)
    return str(kind).lower() if kind and str(kind).lower() not in ("text", "message") else ""
