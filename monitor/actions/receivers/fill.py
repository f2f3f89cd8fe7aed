"""Fill in the templates of the configuration. What is filled in is serialised later, so it needs no escaping."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import JsonValue

from monitor.actions.receivers.base import Delivery, DeliveryResult, NotDelivered
from monitor.actions.receivers.plain_text import clean
from monitor.config.templates import MARKS, list_fields, parse
from monitor.core.payload import read_companions


def template_values(delivery: Delivery) -> dict[str, object]:
    """Return the values of :data:`monitor.config.templates.FIELDS` for an action; None for what it does not have."""
    payload = delivery.payload
    data = payload.get("data") or {}
    incident: Mapping[str, object] = dict(data.get("incident") or {})
    observed = dict(data.get("observed_version") or {})
    target = dict(data.get("target") or {})
    role = next(iter(observed), None)
    more = read_companions(target)
    return {
        "id": delivery.id,
        "type": payload.get("type"),
        "timestamp": payload.get("timestamp"),
        **{name: data.get(name) for name in ("monitor", "severity", "headline", "summary", "link", "not_after")},
        "incident": incident.get("id"),
        "rule": incident.get("rule"),
        "opened_at": incident.get("opened_at"),
        "role": role,
        "version": target.get(role) if role else None,
        "bad_version": observed.get(role) if role else None,
        "prompt_version": target.get("prompt_version", more.get("prompt_version")),
        "commit": more.get("commit"),
        "data_version": more.get("data"),
        "data": data,
        "retraining": data.get("retraining"),
        "test": delivery.is_test,
    }


def check_mark(delivery: Delivery, template: JsonValue) -> None:
    """Raise :class:`NotDelivered` if a test would not be recognised: no field of the template says that it is one."""
    if delivery.is_test and not MARKS & list_fields(template):
        detail = "the template has no field that marks a test, and a test must not start a real job: add `{test}` to it"
        raise NotDelivered(DeliveryResult("client", detail))


def fill(template: JsonValue, values: Mapping[str, object]) -> object:
    """Return a template with its values. A text that is one field becomes its value, of any type."""
    if isinstance(template, dict):
        return {key: fill(item, values) for key, item in template.items()}
    if isinstance(template, list):
        return [fill(item, values) for item in template]
    if not isinstance(template, str):
        return template
    parts = list(parse(template))
    if len(parts) == 1 and not parts[0][0] and parts[0][1] is not None:
        return values[parts[0][1]]
    return fill_text(template, values)


def fill_text(template: str, values: Mapping[str, object]) -> str:
    """Return the template of a text with its values as texts, nothing for what is missing."""
    return "".join(literal + (_text(values[field]) if field is not None else "") for literal, field in parse(template))


def _text(value: object) -> str:
    if value is None:
        return ""
    return clean(value) if isinstance(value, str) else json.dumps(value)
