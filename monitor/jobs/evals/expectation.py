"""An expectation of a suite, such as `- exact`, `- {contains: a}`, `- {signal: novelty, max: 0.4}`."""

from __future__ import annotations

import math
from typing import Any

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from detectors import SIGNALS
from detectors.schema import check_patterns
from monitor.config.sections import Section

KINDS: dict[str, tuple[str, ...]] = {
    "exact": ("ignore_case",),
    "contains": ("ignore_case",),
    "regex": (),
    "json_schema": (),
    "numeric": ("tolerance",),
    "signal": ("min", "max"),
    "judge": (),
}
"""Kinds with the settings that are specific to each."""
COMMON = ("name", "weight")
FROM_EXPECTED = ("exact", "contains", "numeric")


class Expectation(Section):
    """An expectation about the answer. Its score is 1 if it is met, else 0."""

    kind: str
    """Kind; the key of the expectation."""
    value: Any = None
    """Value of the key; without it `exact`, `contains` and `numeric` use `expected` of the case."""
    name: str = Field("", max_length=64)
    """Name in results; default: the kind, or the name of the signal."""
    weight: float = Field(1.0, gt=0, allow_inf_nan=False)
    """Weight in the score of a case."""
    ignore_case: bool = False
    """For `exact` and `contains`: ignore upper and lower case."""
    tolerance: float = Field(0.0, ge=0, allow_inf_nan=False)
    """For `numeric`: accepted difference from the expected number."""
    min: float | None = None
    """For `signal`: minimum value."""
    max: float | None = None
    """For `signal`: maximum value."""

    @model_validator(mode="after")
    def _whole(self) -> Expectation:
        wrong = _wrong_value(self)
        if wrong:
            raise PydanticCustomError("expectation", "{wrong}", {"wrong": wrong})
        return self

    @property
    def called(self) -> str:
        """Return the name in results."""
        return self.name or (str(self.value) if self.kind == "signal" else self.kind)


def read(value: object) -> object:
    """Convert the YAML form to the fields of an :class:`Expectation`."""
    if isinstance(value, str):
        value = {value: None}
    if not isinstance(value, dict):
        raise PydanticCustomError("expectation", "an expectation is a word or a mapping, such as {contains: refund}")
    if "kind" in value and "value" in value:
        return value
    kinds = [key for key in value if key in KINDS]
    if len(kinds) != 1:
        unknown = next((str(key) for key in value if key not in (*KINDS, *COMMON)), None)
        if unknown is not None and not kinds:
            raise PydanticCustomError("unknown_key", "{key}", {"key": unknown, "allowed": sorted(KINDS)})
        raise PydanticCustomError("expectation", "an expectation needs exactly one of: {k}", {"k": ", ".join(KINDS)})
    kind = kinds[0]
    allowed = (kind, *KINDS[kind], *COMMON)
    for key in value:
        if key not in allowed:
            raise PydanticCustomError("unknown_key", "{key}", {"key": str(key), "allowed": sorted(allowed)})
    return {"kind": kind, "value": value[kind], **{key: value[key] for key in value if key != kind}}


def _wrong_value(one: Expectation) -> str:
    """Return the error in the value of an expectation, or an empty string."""
    checks = {
        "exact": _text,
        "contains": _texts,
        "regex": _pattern,
        "json_schema": _schema,
        "numeric": _number,
        "signal": _signal,
        "judge": _nothing,
    }
    return checks[one.kind](one)


def _text(one: Expectation) -> str:
    return "" if one.value is None or isinstance(one.value, str | int | float) else "`exact:` needs a text"


def _texts(one: Expectation) -> str:
    values = one.value if isinstance(one.value, list) else [one.value]
    fine = one.value is None or (values and all(isinstance(text, str) and text for text in values))
    return "" if fine else "`contains:` needs a text or a list of texts"


def _pattern(one: Expectation) -> str:
    import re2

    if not isinstance(one.value, str):
        return "`regex:` needs a pattern"
    quiet = re2.Options()
    quiet.log_errors = False
    try:
        re2.compile(one.value, quiet)
    except re2.error as error:
        message = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
        return f"{one.value!r} is not a pattern of RE2 (which has no look-around and no back-references): {message}"
    return ""


def _schema(one: Expectation) -> str:
    from jsonschema import SchemaError
    from jsonschema.validators import validator_for

    if isinstance(one.value, str):
        return ""  # a file, read beside the suite
    if not isinstance(one.value, dict | bool):
        return "`json_schema:` needs a schema, or the name of a file that contains one"
    try:
        validator_for(one.value).check_schema(one.value)
    except SchemaError as error:
        return f"this is not a JSON schema: {error.message}"
    try:
        check_patterns(one.value)
    except ValueError as error:
        return str(error)
    return ""


def _number(one: Expectation) -> str:
    fine = one.value is None or (isinstance(one.value, int | float) and math.isfinite(one.value))
    return "" if fine and not isinstance(one.value, bool) else "`numeric:` needs a number"


def _signal(one: Expectation) -> str:
    if one.value not in SIGNALS:
        return f"{one.value!r} is not a signal. Allowed: {', '.join(sorted(SIGNALS))}"
    if SIGNALS[one.value].kind != "numeric":
        return f"the signal {one.value!r} is not a number, so it has no `min:` or `max:`"
    return "" if one.min is not None or one.max is not None else "a signal needs `max:` or `min:`"


def _nothing(one: Expectation) -> str:
    return "" if one.value is None else "`judge` takes no value; set the rubric in `judge: {rubric: …}` of the suite"
