"""The words of a chat that was logged as JSON, in the shapes that tools write.

A question is what the user said last, a response what the assistant said. Known are OpenAI's messages and choices, with
texts or parts; Anthropic's and Gemini's blocks; OpenTelemetry's messages with parts; LangChain's and Langfuse's
envelopes (``messages``, ``input``, ``output``, ``content`` …). A text that is no JSON is taken as it is.
"""

from __future__ import annotations

import json
from typing import Any

from detectors.records import Column

USERS = ("user", "human")
ASSISTANTS = ("assistant", "ai", "model")
NAMES = (
    "choices", "message", "messages", "delta", "contents", "content", "parts", "text", "output_text", "output",
    "outputs", "response", "answer", "input", "inputs", "question", "query", "prompt", "generations", "kwargs",
    "candidates", "value", "result",
)  # fmt: skip
ENVELOPES = {name: place for place, name in enumerate(NAMES)}
"""What holds the words, what is looked into first having the lowest place."""
UNSAID = ("tool", "function", "image", "thinking", "reasoning")
DEEPEST = 12


def read_words(column: Column, role: str) -> Column:
    """Return a column of JSON as the words of the user (of the role ``question``) or of the assistant (any other)."""
    speakers = USERS if role == "question" else ASSISTANTS
    kept = zip(column.values, column.missing, strict=True)
    return Column.of(None if gone else words(value, speakers) for value, gone in kept)


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
    if text.lstrip()[:1] not in ("{", "[", '"'):
        return text or None
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return text  # cut short, or never JSON
    parts: list[str] = []
    _collect(read, speakers, 0, parts)
    found = "\n".join(part for part in parts if part.strip())
    return found or (None if read in ({}, [], "", [{}]) or _holds_messages(read) else text)


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
        places = [ENVELOPES[key] for key, held in read.items() if key in ENVELOPES and held not in (None, [], {})]
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
