"""Infer the role of each column of a table from its name, type and values. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from monitor.sources.base import ColumnInfo, ColumnType

TEXTS: tuple[ColumnType, ...] = ("text", "json", "unknown")
NUMBERS: tuple[ColumnType, ...] = ("numeric",)
WORDS: tuple[ColumnType, ...] = ("text", "unknown")
ANY: tuple[ColumnType, ...] = ("numeric", "text", "boolean", "unknown")
MEASURES = frozenset(
    (
        "id",
        "ids",
        "hash",
        "token",
        "tokens",
        "length",
        "len",
        "count",
        "size",
        "time",
        "date",
        "at",
        "ms",
        "seconds",
        "latency",
        "duration",
        "cost",
        "price",
        "usd",
        "score",
        "type",
        "kind",
        "version",
        "lang",
        "language",
        "status",
        "code",
        "model",
        "format",
        "role",
        "rating",
        "feedback",
        "label",
        "embedding",
        "vector",
    )
)
"""Words that change the meaning of a name: ``response time`` is not a response."""
UNITS = {
    "ms": "ms",
    "millis": "ms",
    "msec": "ms",
    "millisecond": "ms",
    "milliseconds": "ms",
    "us": "us",
    "micros": "us",
    "microseconds": "us",
    "ns": "ns",
    "nanos": "ns",
    "nanoseconds": "ns",
}
SECONDS = frozenset(("s", "sec", "secs", "second", "seconds"))
LONG = 100.0
"""Median above which a duration column without a unit in its name is assumed to be in milliseconds."""


@dataclass(frozen=True)
class Guess:
    """Names of the columns of a role, best first; with ``within``, a name may also be part of a longer one."""

    role: str
    names: tuple[str, ...]
    types: tuple[ColumnType, ...]
    within: bool = False
    unique: bool = False
    duration: bool = False


GUESSES = (
    Guess(
        "id",
        ("id", "request id", "call id", "trace id", "log id", "message id", "event id", "inference id", "uuid"),
        ANY,
        unique=True,
    ),
    Guess(
        "input_tokens", ("input tokens", "prompt tokens", "tokens in", "tokens input", "tokens prompt"), NUMBERS, True
    ),
    Guess(
        "output_tokens",
        ("output tokens", "completion tokens", "tokens out", "tokens output", "tokens completion", "generated tokens"),
        NUMBERS,
        within=True,
    ),
    Guess("cost", ("cost", "spend", "usd", "price", "dollars"), NUMBERS, within=True),
    Guess("time_to_first_token", ("time to first token", "ttft", "first token"), NUMBERS, within=True, duration=True),
    Guess(
        "latency",
        ("latency", "duration", "elapsed", "response time", "execution time", "total time", "took", "ms", "millis"),
        NUMBERS,
        within=True,
        duration=True,
    ),
    Guess("finish_reason", ("finish reason", "stop reason"), WORDS, within=True),
    Guess("error_type", ("error type", "error code", "error class", "exception", "error"), WORDS),
    Guess("status", ("status", "status code", "http status", "http code", "response code"), ANY),
    Guess("status", ("success", "successful", "succeeded", "ok"), ("boolean",)),
    Guess(
        "prompt_version",
        ("prompt version", "prompt ver", "prompt hash", "prompt template version", "template version", "prompt id"),
        ANY,
    ),
    Guess("model_version", ("model version", "model", "model name", "served model", "model id", "llm"), WORDS, True),
    Guess("logprobs", ("logprobs", "log probs", "token logprobs"), TEXTS),
    Guess("samples", ("samples", "candidates"), TEXTS),
    Guess(
        "context",
        ("context", "contexts", "retrieved", "documents", "docs", "passages", "chunks", "evidence", "sources"),
        TEXTS,
        within=True,
    ),
    Guess("response", ("response", "answer", "output", "completion", "reply", "generation"), TEXTS, within=True),
    Guess("question", ("question", "prompt", "query", "input", "messages", "user message", "request"), TEXTS, True),
    Guess("feedback", ("feedback", "thumbs", "thumb", "rating", "stars", "thumbs up"), ANY, within=True),
    Guess("prediction", ("prediction", "predicted", "y pred", "pred", "score"), ANY),
    Guess("label", ("label", "target", "y true", "actual", "ground truth"), ANY),
    Guess(
        "tenant",
        ("tenant", "tenant id", "customer", "customer id", "organization", "organisation", "org id", "account id"),
        ANY,
    ),
    Guess("user", ("user", "user id", "end user"), ANY),
    Guess("sampling_fraction", ("sampling fraction", "sample fraction"), NUMBERS),
    Guess("label_probability", ("label probability", "labeling probability", "labelling probability"), NUMBERS),
)
CHATS = ("question", "response")
TIMES = (
    "timestamp",
    "created at",
    "ts",
    "time",
    "event time",
    "logged at",
    "start time",
    "started at",
    "request time",
    "requested at",
    "created",
    "datetime",
    "inserted at",
    "date",
)
EPOCHS = {1e17: "ns", 1e14: "us", 1e11: "ms", 1e8: "s"}
"""Units of numeric timestamps, with the smallest median of each; below the last it is not a time since 1970."""


def split_name(name: str) -> tuple[str, ...]:
    """Split a column name into lower-case words.

    Examples
    --------
    >>> split_name("promptTokens"), split_name("LLM Response-Text"), split_name("HTTPStatus_2")
    (('prompt', 'tokens'), ('llm', 'response', 'text'), ('http', 'status', '2'))
    """
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return tuple(word.lower() for word in re.split(r"[^A-Za-z0-9]+", apart) if word)


def guess_roles(columns: Sequence[ColumnInfo]) -> dict[str, object]:
    """Return the column of each role, in the form of `columns:` of a source; a column has at most one role."""
    free = {column.column: column for column in columns}
    roles: dict[str, object] = {}
    for guess in GUESSES:
        if guess.role in roles:
            continue
        column = _best(guess, [column for column in free.values() if column.type in guess.types])
        if column is not None:
            roles[guess.role] = _spec(guess, column)
            del free[column.column]
    return roles


def guess_time(columns: Sequence[ColumnInfo]) -> tuple[str, object] | None:
    """Return the column of the event time and its mapping, or None if no column looks like a time."""
    named = {split_name(column.column): column for column in reversed(columns)}
    by_name = [named[words] for name in TIMES if (words := tuple(name.split())) in named]
    for column in [*by_name, *(column for column in columns if column.type == "time")]:
        if column.type != "numeric":
            return column.column, column.column
        if (unit := _epoch(column)) is not None:
            return column.column, {"column": column.column, "unit": unit}
    return None


def _epoch(column: ColumnInfo) -> str | None:
    if column.typical is None:
        return "s" if column.sampled == 0 else None
    return next((unit for least, unit in EPOCHS.items() if column.typical > least), None)


def _best(guess: Guess, columns: Sequence[ColumnInfo]) -> ColumnInfo | None:
    """Return the column whose whole name matches best; else the shortest name that contains one of the names."""
    if guess.unique:
        columns = [one for one in columns if one.distinct == one.sampled]
    named = {split_name(column.column): column for column in reversed(columns)}
    phrases = [tuple(name.split()) for name in guess.names]
    whole = next((named[phrase] for phrase in phrases if phrase in named), None)
    if whole is not None or not guess.within:
        return whole
    for phrase in phrases:
        for words in sorted(named, key=len):
            if _has(words, phrase) and _about(words, phrase, guess):
                return named[words]
    return None


def _has(words: tuple[str, ...], phrase: tuple[str, ...]) -> bool:
    return any(words[place : place + len(phrase)] == phrase for place in range(len(words) - len(phrase) + 1))


def _about(words: tuple[str, ...], phrase: tuple[str, ...], guess: Guess) -> bool:
    """Return whether the other words of a name do not change the meaning of the phrase."""
    rest = set(words) - set(phrase)
    allowed = {*UNITS, *SECONDS, "time", "total"} if guess.duration else {"total", "usd", "count", "name"}
    return not (rest & MEASURES) - allowed


def _spec(guess: Guess, column: ColumnInfo) -> object:
    if guess.duration and (unit := _unit(column)):
        return {"column": column.column, "unit": unit}
    if guess.role in CHATS and (column.type == "json" or "messages" in split_name(column.column)):
        return {"column": column.column, "chat": True}
    return column.column


def _unit(column: ColumnInfo) -> str | None:
    """Return the unit of a duration column, or None for seconds."""
    words = split_name(column.column)
    named = next((UNITS[word] for word in words if word in UNITS), None)
    if named or SECONDS & set(words):
        return named
    return "ms" if column.typical is not None and column.typical > LONG else None
