"""Bodies of the requests and answers of the API."""

from __future__ import annotations

import json
from collections.abc import Sequence

from starlette.responses import JSONResponse

from monitor.core.plain import plain


def parse_object(body: bytes, keys: Sequence[str], noun: str = "an object") -> dict[str, object]:
    """Parse a JSON object with some keys, or raise ValueError with a sentence. An empty body is an empty object."""
    try:
        given = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise ValueError("The body must be JSON.") from None
    if not isinstance(given, dict) or not set(given) <= set(keys):
        raise ValueError(f"The body must be {noun}; its keys can be {', '.join(keys)}.")
    return given


def parse_texts(body: bytes, keys: Sequence[str]) -> dict[str, str]:
    """Parse a JSON object of texts with some keys; raise ValueError with a sentence if it is none."""
    noun = "an object of texts"
    given = parse_object(body, keys, noun)
    texts = {key: text for key, text in given.items() if isinstance(text, str)}
    if len(texts) < len(given):
        raise ValueError(f"The body must be {noun}; its keys can be {', '.join(keys)}.")
    return texts


def answer_json(value: object, status: int = 200) -> JSONResponse:
    """Return an answer in JSON, with times in ISO 8601."""
    return JSONResponse(plain(value), status)
