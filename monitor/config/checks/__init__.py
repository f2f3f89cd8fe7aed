"""Section `checks:` of a monitor: the configuration models of the check kinds, and the parser of entries.

Kinds that are not listed here supply their own model to :func:`monitor.config.load.load`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, SerializeAsAny, ValidationError, ValidationInfo
from pydantic.json_schema import JsonSchemaMode, models_json_schema
from pydantic_core import ErrorDetails, PydanticCustomError

from monitor.config.checks.base import CheckConfig
from monitor.config.checks.drift import DriftConfig
from monitor.config.checks.latency import LatencyConfig
from monitor.config.checks.performance import PerformanceConfig
from monitor.config.checks.quality import (
    COLUMN_KINDS,
    RECORD_KINDS,
    ColumnQualityConfig,
    FreshnessConfig,
    QualityConfig,
    RecordQualityConfig,
)
from monitor.config.checks.rate import RateConfig
from monitor.config.checks.slo import SloConfig
from monitor.config.checks.spend import SpendConfig, SpendLimit
from monitor.config.sections import FileSchema

Models = Mapping[str, type[CheckConfig]]
"""Configuration models by check kind."""
MODELS: Models = {
    "drift": DriftConfig,
    "quality": QualityConfig,
    "performance": PerformanceConfig,
    "latency": LatencyConfig,
    "rate": RateConfig,
    "slo": SloConfig,
    "spend": SpendConfig,
    **dict.fromkeys(COLUMN_KINDS, ColumnQualityConfig),
    **dict.fromkeys(RECORD_KINDS, RecordQualityConfig),
    "freshness": FreshnessConfig,
}
"""Default models: those of the built-in kinds."""
EXPECTED = "a check is one key with its settings, such as `- drift: {columns: auto}`"

__all__ = [
    "MODELS",
    "CheckConfig",
    "CheckEntry",
    "DriftConfig",
    "LatencyConfig",
    "SpendLimit",
    "Models",
    "PerformanceConfig",
    "QualityConfig",
    "RateConfig",
    "SloConfig",
    "SpendConfig",
    "check_schema",
    "flatten",
]


def _parse(value: object, info: ValidationInfo) -> object:
    """Validate an entry of `checks:` with the model of its kind; errors keep the path of their key."""
    if isinstance(value, CheckConfig):
        return value
    models: Models = (info.context or {}).get("check_models", MODELS)
    if isinstance(value, str):
        value = {value: {}}
    if not isinstance(value, dict) or len(value) != 1:
        raise PydanticCustomError("check", EXPECTED)
    ((kind, settings),) = value.items()
    if kind not in models:
        raise PydanticCustomError("unknown_key", "{key}", {"key": str(kind), "allowed": sorted(models)})
    settings = {} if settings is None else settings
    if not isinstance(settings, dict):
        raise PydanticCustomError("check", "the settings of a check are a mapping, such as {threshold: 0.2}")
    model = models[kind]
    old = model.old_keys(settings)
    settings = {**{new: settings[key] for key, new in old.items() if new}, **settings}
    allowed = {*model.key_names(), *old}
    errors = [_misplaced(kind, key, models) for key in settings if key not in allowed]
    try:
        config = model.model_validate(
            {**{key: each for key, each in settings.items() if key in allowed and key not in old}, "kind": kind}
        )
    except ValidationError as error:
        raise _nested(kind, [*errors, *error.errors()]) from None
    if errors:
        raise _nested(kind, errors)
    return config


def _misplaced(kind: str, key: object, models: Models) -> ErrorDetails:
    """Return the error for a key that a kind does not have, with the kinds that have it."""
    having = sorted(name for name, model in models.items() if key in model.key_names())
    context = {"key": str(key), "allowed": sorted(models[kind].key_names()), "check": kind, "having": having}
    return {"type": "unknown_key", "loc": (), "msg": f"{kind} has no key {key!r}", "input": key, "ctx": context}


def _nested(kind: str, errors: Sequence[ErrorDetails]) -> PydanticCustomError:
    text = "; ".join(f"{'.'.join(map(str, (kind, *error['loc'])))}: {error['msg']}" for error in errors)
    return PydanticCustomError("check_settings", "{text}", {"text": text, "kind": kind, "errors": list(errors)})


def flatten(errors: Iterable[ErrorDetails]) -> Iterator[ErrorDetails]:
    """Yield errors, with each error of a check replaced by the errors of its settings."""
    for error in errors:
        if error["type"] != "check_settings":
            yield error
            continue
        errors_of_settings: list[ErrorDetails] = error["ctx"]["errors"]
        for inner in errors_of_settings:
            placed = inner.copy()
            placed["loc"] = (*error["loc"], error["ctx"]["kind"], *inner["loc"])
            yield placed


def check_schema(models: Models) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the JSON schema of an entry of `checks:`, and the definitions that it references."""
    inputs: list[tuple[type[CheckConfig], JsonSchemaMode]] = [(model, "validation") for model in {*models.values()}]
    references, definitions = models_json_schema(inputs, by_alias=True, schema_generator=FileSchema)
    forms: list[dict[str, Any]] = [{"enum": [kind for kind, model in models.items() if not _needs(model)]}]
    for kind, model in models.items():
        settings: dict[str, Any] = {"anyOf": [references[model, "validation"], {"type": "null"}]}
        forms.append(
            {
                "type": "object",
                "properties": {kind: references[model, "validation"] if _needs(model) else settings},
                "required": [kind],
                "additionalProperties": False,
            }
        )
    return {"anyOf": forms}, definitions["$defs"]


def _needs(model: type[CheckConfig]) -> bool:
    """Return whether a kind has required settings."""
    try:
        model.model_validate({"kind": ""})
    except ValidationError:
        return True
    return False


CheckEntry = Annotated[SerializeAsAny[CheckConfig], BeforeValidator(_parse)]
