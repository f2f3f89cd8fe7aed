"""Guardrail policies: the section `policies:` of driftd.yaml, and policies in separate files."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from detectors.policy import FALLBACK, GuardRule, PatternError, Policy, built_in, is_type, known_types
from monitor.config.sections import Duration, Section, nearest


def _type(value: object) -> object:
    if isinstance(value, str) and not is_type(value.lower()):
        raise PydanticCustomError("word", "{key}", {"key": value, "allowed": list(known_types())})
    return value.lower() if isinstance(value, str) else value


def _schema(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise PydanticCustomError("schema", "expected a JSON schema, as YAML or in the file `schema_file:`") from None


class PolicyRule(Section):
    """What to scan for, and the action on a finding."""

    type: Annotated[str, BeforeValidator(_type)]
    """A group (`pii`, `secrets`, `profanity`, `injection`), one of their types, `embedded_instruction`, `pattern`, `topic`, `json_schema` or `max_length`."""  # noqa: E501
    action: Literal["count", "alert", "redact", "block"] = "count"
    """count and alert let the text pass, redact replaces the findings, block withholds the text."""
    threshold: int = Field(1, ge=1)
    """Minimum number of findings for the action."""
    patterns: dict[str, str] = {}
    """For `pattern`: name to RE2 pattern."""
    topics: dict[str, list[str]] = {}
    """For `topic`: name to words and phrases; `*` at the end allows any ending."""
    schema_: Annotated[dict[str, Any] | bool | None, BeforeValidator(_schema)] = Field(None, alias="schema")
    """For `json_schema`: the schema; `schema_file` reads it from a file."""
    limit: int | None = Field(None, ge=0)
    """For `max_length`: maximum number of Unicode code points."""
    fallback: str | None = None
    """Replacement of a text that this rule blocks; default: that of the policy."""
    fail: Literal["closed", "open"] | None = None
    """Whether a failure of this rule withholds the text; default: that of the policy."""

    def build(self) -> GuardRule:
        """Return the rule for :mod:`detectors`; raises :class:`PatternError`."""
        return GuardRule(
            self.type,
            self.action,
            self.threshold,
            self.patterns,
            self.topics,
            self.schema_,
            self.limit,
            self.fallback,
            self.fail,
        )

    @model_validator(mode="after")
    def _usable(self) -> PolicyRule:
        try:
            self.build()
        except PatternError as error:
            raise PydanticCustomError("policy", "{why}", {"why": str(error).rstrip(".")}) from None
        if self.type == "person":
            raise PydanticCustomError(
                "policy", "names of people need a model; pass one to `detectors.guard(..., names=)` in your own process"
            )
        return self


class PolicySpec(Section):
    """A guardrail policy: its rules, and what happens if one fails."""

    rules: list[PolicyRule] = Field(min_length=1)
    """Rules; a rule for a type overrides a rule for its group."""
    fallback: str = FALLBACK
    """Replacement of a text that is withheld."""
    fail: Literal["closed", "open"] = "closed"
    """closed withholds a text that could not be checked, open lets it pass."""
    salt: SecretStr | None = None
    """Key of the hashes of findings; without it, findings have no hashes."""
    max_bytes: int = Field(200_000, ge=1, le=50_000_000)
    """Maximum size of a text in bytes; a larger one is not scanned and counts as a failure, see `fail`."""
    timeout: Duration = timedelta(seconds=1)
    """Timeout of one text."""

    def build(self, name: str) -> Policy:
        """Return the policy for :mod:`detectors`."""
        salt = self.salt.get_secret_value().encode() if self.salt else b""
        return Policy(
            name,
            tuple(rule.build() for rule in self.rules),
            self.fallback,
            self.fail,
            salt,
            self.max_bytes,
            self.timeout.total_seconds(),
        )


def merge_policies(specs: dict[str, PolicySpec]) -> dict[str, Policy]:
    """Return the built-in policies, replaced or extended by the configured ones."""
    return built_in() | {name: spec.build(name) for name, spec in specs.items()}


def unknown_policy(name: str, names: list[str]) -> str:
    """Return the error message for an unknown policy, with the existing ones."""
    return f"There is no policy {name!r}. Defined: {', '.join(sorted(names))}.{nearest(name, names)}"


def load_policy(path: Path) -> Policy:
    """Read a policy from a separate YAML file; raises ConfigError with every problem."""
    from pydantic import ValidationError

    from monitor.config.load import describe_problem
    from monitor.core.yamlfile import read

    document = read(path)
    try:
        spec = PolicySpec.model_validate(document.data)
    except ValidationError as error:
        raise document.explain([describe_problem(detail) for detail in error.errors()]) from None
    return spec.build(path.stem)
