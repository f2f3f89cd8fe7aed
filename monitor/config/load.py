"""Read and validate driftd.yaml. Every error states file, line, key, invalid value and allowed values."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import structlog
from pydantic import SecretStr, ValidationError

from monitor.config import signals
from monitor.config.arms import Experiment, Shadow
from monitor.config.checks import MODELS, Models, RateConfig, SloConfig, check_schema, flatten
from monitor.config.models import BASELINE_RULE, Config, Escalation, Monitor
from monitor.config.other_traffic import divide_by_traffic, find_problems
from monitor.config.receivers import HttpReceiverConfig
from monitor.config.rules import rule_name
from monitor.config.sections import FileSchema, format_duration, nearest
from monitor.config.source import ROLES
from monitor.core.yamlfile import SECRET_KEYS, Problem, read

LOG = structlog.get_logger(__name__)
_SQLITE_FILE = re.compile(r"(sqlite(?:\+\w+)?:///)(?!/|:memory:|file:)([^?]+)(.*)", re.DOTALL)


def load(path: Path, environment: dict[str, str] | None = None, checks: Models = MODELS) -> Config:
    """Read and validate a configuration file; raises :class:`ConfigError` with every problem.

    ``checks`` maps each check kind to its configuration model.
    """
    document = read(path, environment)
    try:
        config = Config.model_validate(document.data, context={"check_models": checks})
    except ValidationError as error:
        raise document.explain([describe_problem(detail) for detail in flatten(error.errors())]) from None
    config = _resolve_paths(config, path.parent)
    problems = cross_check(config, checks)
    if problems:
        raise document.explain(problems)
    for problem in deprecations(document.data, checks):
        _warn_once(str(document.explain([problem])))
    return divide_by_traffic(config)


def deprecations(data: Any, checks: Models) -> Iterator[Problem]:  # noqa: ANN401
    """Yield the deprecated keys of a valid file, each with its replacement."""
    for index, monitor in enumerate(data["monitors"]):
        for place, entry in enumerate(monitor.get("checks", [])):
            kind, settings = next(iter(entry.items())) if isinstance(entry, dict) else (entry, None)
            for key, new in checks[kind].old_keys(settings or {}).items():
                advice = f"{key!r} is an old name; write `{new}:`" if new else f"{kind} does not use {key!r}; remove it"
                yield Problem(("monitors", index, "checks", place, kind, key), f"{advice}.")


@cache
def _warn_once(text: str) -> None:
    """Log a warning about the configuration, once per process."""
    LOG.warning("deprecated", key=text)


def json_schema(checks: Models = MODELS) -> dict[str, Any]:
    """Return the JSON schema of the file."""
    schema = Config.model_json_schema(by_alias=True, schema_generator=FileSchema)
    entry, definitions = check_schema(checks)
    setting = schema["$defs"]["Monitor"]["properties"]["checks"]
    setting |= {"items": entry, "default": [check.kind for check in Monitor.model_fields["checks"].default]}
    schema["$defs"] = {**schema["$defs"], **definitions}
    del schema["$defs"]["CheckConfig"]
    return schema


def _resolve_paths(config: Config, folder: Path) -> Config:
    """Resolve relative paths against the directory of the configuration file."""
    monitors = []
    for monitor in config.monitors:
        changes: dict[str, Any] = {
            "source": monitor.source.model_copy(update={"url": _resolve_url(monitor.source.url, folder)}),
            "signals": signals.resolve_paths(monitor.signals, folder),
        }
        if monitor.baseline.file is not None:
            changes["baseline"] = monitor.baseline.model_copy(update={"file": folder / monitor.baseline.file})
        monitors.append(monitor.model_copy(update=changes))
    evaluations = [one.model_copy(update={"suite": folder / one.suite}) for one in config.evaluations]
    store = _resolve_url(config.store, folder)
    receivers = {
        name: one.model_copy(update={"ca_file": folder / one.ca_file})
        if isinstance(one, HttpReceiverConfig) and one.ca_file
        else one
        for name, one in config.receivers.items()
    }
    server = config.server
    if (tls := server.tls) is not None:
        files = {"cert_file": folder / tls.cert_file, "key_file": folder / tls.key_file}
        server = server.model_copy(update={"tls": tls.model_copy(update=files)})
    resolved = {"store": store, "monitors": monitors, "evaluations": evaluations, "receivers": receivers}
    return config.model_copy(update={**resolved, "server": server})


def resolve_url(url: str, folder: Path) -> str:
    """Resolve the path of a SQLite URL. ``file:`` URIs, in-memory databases and other URLs are not changed."""
    match = _SQLITE_FILE.match(url)
    return url if match is None else f"{match[1]}{folder.absolute() / match[2]}{match[3]}"


def _resolve_url(url: SecretStr, folder: Path) -> SecretStr:
    return SecretStr(resolve_url(url.get_secret_value(), folder))


def describe_problem(detail: Any) -> Problem:  # noqa: ANN401
    """Convert an error of pydantic to a :class:`Problem`."""
    where = tuple(part for part in detail["loc"] if not str(part).startswith(("function-", "constrained-")))
    context, value = detail.get("ctx", {}), detail.get("input")
    if detail["type"] in ("unknown_key", "word"):
        key, allowed = context["key"], context["allowed"]
        at = (*where, key) if detail["type"] == "unknown_key" else where
        having = context.get("having")
        unknown = f"{key!r} is not a key of {context['check']}, but of {_listed(having)}" if having else ""
        word = "key" if detail["type"] == "unknown_key" else "value"
        message = unknown or f"unknown {word} {key!r}"
        return Problem(at, f"{message}. Allowed: {', '.join(allowed)}.{'' if having else nearest(key, allowed)}")
    if detail["type"] == "missing":
        return Problem(where[:-1], f"the key {where[-1]!r} is missing.")
    allowed = re.findall(r"'([^']+)'", str(context.get("expected", "")))
    hidden = "a mapping" if isinstance(value, dict) else "(hidden)" if SECRET_KEYS & set(where) else None
    text = hidden or repr(value)[:60]  # a mapping may hold a secret
    hint = nearest(str(value), allowed) if allowed else ""
    return Problem(where, f"invalid value {text}: {detail['msg'][:1].lower()}{detail['msg'][1:]}.{hint}")


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]


def cross_check(config: Config, checks: Models = MODELS) -> list[Problem]:
    """Return the references to receivers, signals, checks and rules that are not defined, and duplicate names."""
    problems: list[Problem] = []
    known_actions, times = sorted(config.receivers), [one.name for one in config.mute_time_intervals]
    problems += _freezes(config, times)
    names = [monitor.name for monitor in config.monitors]
    for index, monitor in enumerate(config.monitors):
        at: tuple[str | int, ...] = ("monitors", index)
        if names.index(monitor.name) != index:
            problems.append(Problem((*at, "name"), f"the name {monitor.name!r} is taken; names must be unique."))
        wrong = signals.problems(monitor.signals, {*ROLES, *monitor.source.columns})
        problems += [Problem((*at, "signals", *problem.where), problem.message) for problem in wrong]
        problems += _unknown_signals((*at, "checks"), monitor)
        for role in monitor.source.columns:
            if role not in ROLES and (hint := nearest(role, list(ROLES)) if len(role) > 3 else ""):  # noqa: PLR2004
                close = difflib.get_close_matches(role, ROLES, n=1, cutoff=0.85)
                if close:
                    problems.append(Problem((*at, "source", "columns", role), f"{role!r} is not a role.{hint}"))
        for place, rule in enumerate(monitor.rules):
            problems += _unknown((*at, "rules", place, "do"), rule.do, known_actions)
            problems += _unknown((*at, "rules", place, "mute_times"), rule.mute_times, times)
            problems += _escalations((*at, "rules", place), rule.escalate, config)
            made = ["experiment"] * bool(monitor.experiments) + ["shadow"] * bool(monitor.shadows)
            names_of_checks = [check.name for check in monitor.checks if check.name]
            heads = [word.split(".", 1)[0] for word in rule.when]
            problems += _unknown(
                (*at, "rules", place, "when"), heads, sorted([*checks, *names_of_checks, *made, BASELINE_RULE, "*"])
            )
        problems += _unknown((*at, "no_data", "do"), monitor.no_data.do, known_actions)
        problems += _unknown((*at, "mute_times"), monitor.mute_times, times)
        problems += _escalations((*at, "no_data"), monitor.no_data.escalate, config)
        problems += _escalations(at, monitor.escalate, config)
        problems += _breakers((*at, "breakers"), monitor, config)
        problems += _comparisons(at, monitor, config)
        problems += find_problems(at, monitor, names)
        problems += _free_text(at, monitor)
    return problems + _evaluations(config, names, known_actions) + _retention(config)


def _free_text(where: tuple[str | int, ...], monitor: Monitor) -> list[Problem]:
    """Return a problem for each column that is declared as free text and used where values are stored."""
    listed = [] if monitor.features.include == "auto" else monitor.features.include
    stored = {*listed, *monitor.features.types, *monitor.segments, *(check.by for check in monitor.budgets)}
    return [
        Problem(
            (*where, "classes", column),
            f"{column!r} is a feature, a segment or `by:` of a budget, whose values are stored; choose `identifier`, "
            "which stores hashes, or remove it there.",
        )
        for column, declared in monitor.classes.items()
        if declared == "free_text" and column in stored
    ]


def _retention(config: Config) -> list[Problem]:
    """Return a problem for each monitor whose buckets are needed longer than they are kept."""
    kept = config.retention.buckets
    return [
        Problem(
            ("retention", "buckets"),
            f"buckets would be deleted after {format_duration(kept)}, but monitor {monitor.name!r} needs them for "
            f"{format_duration(monitor.buckets_needed)}, for its window, its baseline and late records. Write at least "
            f"{format_duration(_round_up(monitor.buckets_needed))}, or leave it out.",
        )
        for monitor in config.monitors
        if kept is not None and kept < monitor.buckets_needed
    ]


def _round_up(length: timedelta) -> timedelta:
    """Round up to whole hours."""
    return -(-length // timedelta(hours=1)) * timedelta(hours=1)


def _evaluations(config: Config, monitors: list[str], known_actions: list[str]) -> list[Problem]:
    """Return the problems of `evaluations:`: unknown names, and an ambiguous `monitor:`."""
    problems: list[Problem] = []
    for place, spec in enumerate(config.evaluations):
        problems += _unknown(("evaluations", place, "do"), spec.do, known_actions)
        if spec.monitor is not None:
            unknown = _unknown(("evaluations", place, "monitor"), [spec.monitor], monitors)
            problems += [replace(problem, where=problem.where[:-1]) for problem in unknown]
        elif spec.do and len(monitors) > 1:
            message = "there are several monitors; set `monitor:` to the one that gets the incident of a regression."
            problems.append(Problem(("evaluations", place, "do"), message))
    return problems


def _comparisons(where: tuple[str | int, ...], monitor: Monitor, config: Config) -> list[Problem]:
    """Return the problems of `experiments:` and `shadows:`: duplicate names, unknown receivers, unserved champions."""
    problems: list[Problem] = []
    kinds: dict[str, Sequence[Experiment | Shadow]] = {"experiments": monitor.experiments, "shadows": monitor.shadows}
    for kind, specs in kinds.items():
        names = [spec.name for spec in specs]
        problems += [
            Problem((*where, kind, place, "name"), f"the name {name!r} is taken; names must be unique.")
            for place, name in enumerate(names)
            if names.index(name) != place
        ]
        for place, spec in enumerate(specs):
            problems += _messages_only((*where, kind, place, "do"), spec.do, config)
            if spec.unserved_arms and spec.arm in monitor.signal_names:
                message = f"{spec.arm!r} is a signal; name a logged column, by which unserved records are recognised."
                problems.append(Problem((*where, kind, place, "arm"), message))
    for place, shadow in enumerate(monitor.shadows):
        for other in monitor.shadows:
            if (shadow.arm, shadow.champion) == (other.arm, other.challenger) and shadow.overlaps(other):
                message = (
                    f"{shadow.champion!r} is the challenger of the shadow {other.name!r} at the same time, so no user "
                    "sees its answers; compare both challengers with the served model."
                )
                problems.append(Problem((*where, "shadows", place, "champion"), message))
    return problems


def _breakers(where: tuple[str | int, ...], monitor: Monitor, config: Config) -> list[Problem]:
    """Return the problems of `breakers:`: unknown causes, duplicate names, and receivers that get no messages."""
    problems: list[Problem] = []
    named = [check.finding_name for check in monitor.budgets]
    made = sorted(signals.column_name(entry) for entry in monitor.signals)
    rules = [rule_name(rule) for rule in monitor.rules]
    names = [spec.name for other in config.monitors for spec in other.breakers]
    for place, spec in enumerate(monitor.breakers):
        at = (*where, place)
        for key, word, allowed in (
            ("budget", spec.budget, named),
            ("rate", spec.rate, made),
            ("rule", spec.rule, rules),
        ):
            if word is not None and word not in allowed:
                hint = nearest(word, allowed)
                problems.append(
                    Problem((*at, key), f"{word!r} is not defined. Defined: {', '.join(allowed) or 'none'}.{hint}")
                )
        if spec.budget is not None and named.count(spec.budget) > 1:
            sentence = f"several `spend` checks are named {spec.budget!r}; give each a `name:`."
            problems.append(Problem((*at, "budget"), sentence))
        if names.count(spec.name) > 1:
            problems.append(Problem((*at, "name"), f"the name {spec.name!r} is taken; names of breakers are unique."))
        problems += _messages_only((*at, "do"), spec.do, config)
    return problems


def _freezes(config: Config, times: list[str]) -> list[Problem]:
    """Return a problem for each unknown name in the `freeze:` of an effect."""
    settings = {name: receiver.effect_settings for name, receiver in config.receivers.items()}
    return [
        problem
        for name, effect in settings.items()
        if effect is not None
        for problem in _unknown(("receivers", name, "effect", "freeze"), effect.freeze, times)
    ]


def _escalations(where: tuple[str | int, ...], steps: Sequence[Escalation], config: Config) -> list[Problem]:
    """Return the problems of `escalate:`: unknown receivers, and receivers of effects."""
    return [
        problem
        for place, step in enumerate(steps)
        for problem in _messages_only((*where, "escalate", place, "do"), step.do, config)
    ]


def _messages_only(where: tuple[str | int, ...], names: list[str], config: Config) -> list[Problem]:
    """Return a problem for each unknown receiver, and for each receiver of effects, which gets no messages."""
    effects = {name: receiver.effect_settings for name, receiver in config.receivers.items()}
    return _unknown(where, names, sorted(effects)) + [
        Problem(where, f"the receiver {name!r} gets a {effect.kind}; name one without `effect:`, which gets messages.")
        for name in names
        if (effect := effects.get(name))
    ]


def _unknown_signals(where: tuple[str | int, ...], monitor: Monitor) -> list[Problem]:
    """Return a problem for each `rate` or `slo` check of a signal that the monitor does not compute."""
    made = sorted(signals.column_name(entry) for entry in monitor.signals)
    return [
        Problem(
            (*where, place, check.kind, "signal"),
            f"{check.signal!r} is not among `signals:` of this monitor. Defined: {', '.join(made) or 'none'}."
            f"{nearest(check.signal, made)}",
        )
        for place, check in enumerate(monitor.checks)
        if isinstance(check, RateConfig | SloConfig) and check.signal not in made
    ]


def _unknown(where: tuple[str | int, ...], names: list[str], allowed: list[str]) -> list[Problem]:
    return [
        Problem(
            (*where, index),
            f"unknown name {word!r}. Allowed: {', '.join(allowed) or 'none'}.{nearest(word, allowed)}",
        )
        for index, word in enumerate(names)
        if word not in allowed
    ]
