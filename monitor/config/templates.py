"""Templates in driftd.yaml: JSON values whose texts contain fields in braces, such as `{version}`."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import AfterValidator, JsonValue
from pydantic_core import PydanticCustomError

from monitor.config.sections import nearest

FIELDS: Mapping[str, str] = {
    "id": "id of the action, the same for all attempts",
    "type": "such as `driftd.rollback`",
    "timestamp": "end of the bucket",
    "monitor": "name of the monitor",
    "severity": "`critical`, `warning` or `info`",
    "headline": "first line of the message",
    "summary": "second line of the message",
    "incident": "id of the incident",
    "rule": "name of its rule",
    "opened_at": "when it began",
    "link": "its address in the web interface",
    "role": "role of the version, `model_version` or `prompt_version`",
    "version": "version to go back to",
    "bad_version": "version to roll back from",
    "prompt_version": "prompt version of the last good stretch",
    "commit": "commit of the last good stretch, from deploy events or the registry of prompts",
    "data_version": "data of the last good stretch, from deploy events of kind `data`",
    "not_after": "when the action expires",
    "data": "all data of the action, as in webhooks.md",
    "retraining": "what to train on, as in webhooks.md",
    "test": "`true` for a test by `driftd actions test`, else `false`",
}
"""Fields of templates, and their meaning."""


def parse(text: str) -> Iterator[tuple[str, str | None]]:
    """Yield the parts of a template: literal text, and the field after it. ``{{`` and ``}}`` are literal braces."""
    for literal, field, spec, conversion in string.Formatter().parse(text):
        if spec or conversion:
            raise ValueError("a field has no format")
        yield literal, field


MARKS = frozenset({"test", "type", "data"})
"""Fields by which the receiver of a template recognises a test."""


def list_fields(template: JsonValue) -> set[str]:
    """Return the fields of all texts of a template."""
    if isinstance(template, dict):
        return {name for item in template.values() for name in list_fields(item)}
    if isinstance(template, list):
        return {name for item in template for name in list_fields(item)}
    return {name for _, name in parse(template) if name is not None} if isinstance(template, str) else set()


def check_text(text: str, fields: Mapping[str, str] = FIELDS) -> str:
    """Return a text if its fields exist."""
    try:
        names = [field for _, field in parse(text) if field is not None]
    except ValueError:
        raise PydanticCustomError(
            "template", "expected fields such as {example}; write {{ and }} for braces", {"example": "{version}"}
        ) from None
    for name in names:
        if name not in fields:
            context = {"name": name, "fields": ", ".join(fields), "hint": nearest(name, list(fields))}
            raise PydanticCustomError("template", "there is no field '{name}'. Fields: {fields}.{hint}", context)
    return text


def check_template(value: JsonValue) -> JsonValue:
    """Return a template if the fields of all its texts exist."""
    if isinstance(value, str):
        check_text(value)
    elif isinstance(value, list):
        for item in value:
            check_template(item)
    elif isinstance(value, dict):
        for item in value.values():
            check_template(item)
    return value


Template = Annotated[JsonValue, AfterValidator(check_template)]
"""A JSON value. A text that is one field becomes its value, of any type; other texts become texts."""
TextTemplate = Annotated[str, AfterValidator(check_text)]
"""A template of a text."""
