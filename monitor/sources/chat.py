"""The words of a chat that was logged as JSON, in the shapes that tools write.

A question is what the user said last, a response what the assistant said. Known are OpenAI's messages and choices, with
texts or parts; Anthropic's and Gemini's blocks; OpenTelemetry's messages with parts; LangChain's and Langfuse's
envelopes (``messages``, ``input``, ``output``, ``content`` …). A text that is no JSON is taken as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from detectors.records import Column

USERS = ("user", "human")
ASSISTANTS = ("assistant", "ai", "model")
ENVELOPES = (
    "choices", "message", "messages", "delta", "contents", "content", "parts", "text", "output_text", "output",
    "outputs", "response", "answer", "input", "inputs", "question", "query", "prompt", "generations", "kwargs",
    "candidates", "value", "result",
)  # fmt: skip
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
    found = "\n".join(part for part in _said(read, speakers, 0) if part.strip())
    return found or (None if read in ({}, [], "", [{}]) or _holds_messages(read) else text)


def _holds_messages(read: Any) -> bool:  # noqa: ANN401
    """Say whether these are messages in which nobody of the wanted kind said a word."""
    listed = read if isinstance(read, list) else next((read[k] for k in ("messages", "choices") if k in read), None)
    return isinstance(listed, list) and bool(listed) and isinstance(listed[0], dict)


def _said(read: Any, speakers: tuple[str, ...], depth: int) -> Iterator[str]:  # noqa: ANN401
    if depth > DEEPEST or read is None:
        return
    if isinstance(read, str):
        yield read
    elif isinstance(read, list):
        yield from _listed(read, speakers, depth)
    elif isinstance(read, dict):
        kind = str(read.get("type", ""))
        if kind.startswith(("tool", "function", "image", "thinking", "reasoning")):
            return
        key = next((key for key in ENVELOPES if read.get(key) not in (None, [], {})), None)
        if key is not None:
            yield from _said(read[key], speakers, depth + 1)


def _listed(read: list[Any], speakers: tuple[str, ...], depth: int) -> Iterator[str]:
    """Go through a list: of messages only those of the speakers, of a user's only the last."""
    spoken = [one for one in read if isinstance(one, dict) and _speaker(one)]
    if spoken:
        own = [one for one in spoken if _speaker(one) in speakers]
        for message in own[-1:]:
            yield from _said(message, speakers, depth + 1)
        return
    for part in read:
        yield from _said(part, speakers, depth + 1)


def _speaker(message: dict[str, Any]) -> str:
    kind = message.get("role") or (message.get("type") if "content" in message else None)
    return str(kind).lower() if kind and str(kind).lower() not in ("text", "message") else ""
