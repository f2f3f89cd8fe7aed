"""Section `signals:` of a monitor: validate the entries and build the Signal objects."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import ValidationError, WithJsonSchema, validate_call

from detectors import SIGNALS
from monitor.config.sections import nearest
from monitor.core.yamlfile import ConfigError, Problem

if TYPE_CHECKING:
    from detectors import Signal

_NAMED = {"enum": list(SIGNALS)}
_WITH_OPTIONS = {"type": "object", "propertyNames": _NAMED, "minProperties": 1, "maxProperties": 1}
Entry = (
    Annotated[str, WithJsonSchema({"type": "string", **_NAMED})]
    | Annotated[dict[str, dict[str, Any] | None], WithJsonSchema(_WITH_OPTIONS)]
)
"""A signal by name, or its name with its options, such as ``{matches: {pattern: "^ID", name: has_ticket}}``."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def resolve(entries: Sequence[Entry]) -> tuple[Signal, ...]:
    """Return the configured signals; equal configurations give the same objects."""
    return _resolve(json.dumps(_plain(list(entries)), default=str))


def _plain(data: Any) -> Any:  # noqa: ANN401
    """Convert keys to text: YAML parses 2026-11-01 as a date, which JSON cannot represent."""
    if isinstance(data, dict):
        return {str(key): _plain(value) for key, value in data.items()}
    return [_plain(value) for value in data] if isinstance(data, list) else data


@lru_cache(maxsize=64)
def _resolve(written: str) -> tuple[Signal, ...]:
    entries: list[Entry] = json.loads(written)
    wrong = problems(entries, ())
    if wrong:
        raise ConfigError(" ".join(f"signals{list(problem.where)}: {problem.message}" for problem in wrong))
    return tuple(_signal(*_parts(entry)) for entry in entries)


def problems(entries: Sequence[Entry], taken: Collection[str]) -> list[Problem]:
    """Return the problems of the entries; ``taken`` are names of columns, which a signal cannot have."""
    problems_of_signals: list[Problem] = []
    names: dict[str, int] = {}
    for place, entry in enumerate(entries):
        if isinstance(entry, dict) and len(entry) != 1:
            message = "a signal is its name, or one name with its options, such as `matches: {pattern: ^ID}`."
            problems_of_signals.append(Problem((place,), message))
            continue
        kind, options = _parts(entry)
        wrong = _wrong(kind, options)
        at = (place,) if isinstance(entry, str) else (place, kind)
        problems_of_signals += [Problem((*at, *problem.where), problem.message) for problem in wrong]
        name = str(options.get("name", kind))
        if not wrong and name in names:
            message = f"there are two signals named {name!r}; give this one another `name`."
            problems_of_signals.append(Problem(at, message))
        elif not wrong and name in taken and "name" in options:
            problems_of_signals.append(
                Problem((*at, "name"), f"{name!r} is the name of a column already; choose another.")
            )
        names[name] = place
    return problems_of_signals


def column_name(entry: Entry) -> str:
    """Return the name of the column that a signal computes."""
    if isinstance(entry, dict) and len(entry) != 1:
        return ""
    kind, options = _parts(entry)
    return str(options.get("name", kind))


def _parts(entry: Entry) -> tuple[str, dict[str, Any]]:
    if isinstance(entry, str):
        return entry, {}
    ((kind, options),) = entry.items()
    return kind, options or {}


def resolve_paths(entries: Sequence[Entry], folder: Path) -> list[Entry]:
    """Return the entries with each option that is a path resolved against a folder."""
    return [_in_folder(entry, folder) for entry in entries]


def _in_folder(entry: Entry, folder: Path) -> Entry:
    if isinstance(entry, str) or len(entry) != 1:
        return entry
    ((kind, options),) = entry.items()
    configure = SIGNALS[kind].configure if kind in SIGNALS else None
    if configure is None or not options:
        return entry
    parameters = inspect.signature(configure, eval_str=True).parameters
    paths = {name for name, parameter in parameters.items() if parameter.annotation is Path} & set(options)
    return {kind: {**options, **{name: str(folder / str(options[name])) for name in paths}}} if paths else entry


def _wrong(kind: str, options: dict[str, Any]) -> list[Problem]:
    """Return the problems of a signal and its options."""
    if kind not in SIGNALS:
        names = sorted(SIGNALS)
        return [Problem((), f"unknown signal {kind!r}. Allowed: {', '.join(names)}.{nearest(kind, names)}")]
    allowed = sorted([*_parameters(kind), "name"])
    unknown = [key for key in options if key not in allowed]
    if unknown:
        message = f"is not an option of the signal {kind}. Allowed: {', '.join(allowed)}."
        return [Problem((key,), f"{key!r} {message}{nearest(key, allowed)}") for key in unknown]
    if "name" in options and not _NAME.fullmatch(str(options["name"])):
        return [Problem(("name",), "a signal's name consists of lower-case letters, digits and _, such as has_ticket.")]
    try:
        _signal(kind, options)
    except ValidationError as error:
        return [_option(kind, detail) for detail in error.errors()]
    except ValueError as error:
        return [Problem((), str(error))]
    return []


def _option(kind: str, detail: Any) -> Problem:  # noqa: ANN401
    where = tuple(detail["loc"])
    if detail["type"].startswith("missing"):
        return Problem((), f"the signal {kind} needs the option {where[0]!r}.")
    return Problem(where, f"invalid value {detail['input']!r:.60}: {detail['msg'][:1].lower()}{detail['msg'][1:]}.")


def _parameters(kind: str) -> list[str]:
    configure = SIGNALS[kind].configure
    return list(inspect.signature(configure).parameters) if configure else []


def _signal(kind: str, options: dict[str, Any]) -> Signal:
    settings = {key: value for key, value in options.items() if key != "name"}
    configure = SIGNALS[kind].configure
    made = validate_call(configure)(**settings) if configure else SIGNALS[kind]
    return replace(made, name=options["name"]) if "name" in options else made
