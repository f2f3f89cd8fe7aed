"""Section `source:` of a monitor: the table with the records, and the roles of its columns."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from monitor.config.presets import PRESETS
from monitor.config.sections import DatabaseUrl, Duration, Section
from monitor.core.pseudonym import HashKey, key_of_process

ROLES = (
    "timestamp",
    "id",
    "model_version",
    "prompt_version",
    "prediction",
    "score",
    "label",
    "question",
    "context",
    "response",
    "samples",
    "logprobs",
    "finish_reason",
    "feedback",
    "tenant",
    "weight",
    "sampling_fraction",
    "label_probability",
    "traffic",
)
ColumnClass = Literal["identifier", "category", "free_text"]
"""Declared class of a column, which decides what of its values may be stored and shown."""
TEXT_ROLES = ("question", "context", "response", "samples", "logprobs")


class WithHashKey(Section):
    """A section with the key of the pseudonyms that stand for values which must not be stored."""

    _hash_key: HashKey = PrivateAttr(default_factory=lambda: key_of_process)

    @property
    def hash_key(self) -> HashKey:
        """Return what returns the key."""
        return self._hash_key

    def with_hash_key(self, key: HashKey) -> Self:
        """Return a copy with another key."""
        copy = self.model_copy()
        copy._hash_key = key
        return copy


class ColumnSpec(Section):
    """A column of the source, and how its values are parsed."""

    column: str
    """Name of the column in the source."""
    unit: Literal["s", "ms", "us", "ns"] | None = None
    """Unit of a number (s, ms, us, ns): for `timestamp` the time since 1970, for other roles a duration."""
    zone: str | None = None
    """IANA time zone of times without an offset; default: UTC."""
    format: str | None = None
    """strptime format of a time that is stored as text; default: ISO 8601."""
    chat: bool = False
    """The column holds chat messages as JSON: use the text of the last user message (question) or of the answer."""


def _column(value: object) -> object:
    return {"column": value} if isinstance(value, str) else value


def _preset(name: str) -> str:
    if name not in PRESETS:
        raise PydanticCustomError("word", "{key}", {"key": name, "allowed": sorted(PRESETS)})
    return name


PresetName = Annotated[str, AfterValidator(_preset), WithJsonSchema({"type": "string", "enum": sorted(PRESETS)})]


class Source(Section):
    """The table, view or query with the records, or a preset for a known tool."""

    url: DatabaseUrl
    """SQLAlchemy URL of the database; `url_file` reads it from a file."""
    table: str | None = None
    """Table or view, optionally with its schema."""
    query: str | None = None
    """A SELECT instead of a table."""
    preset: PresetName | None = None
    """Name of a known tool, instead of a table or query; see presets.md."""
    where: str | None = None
    """For a preset: SQL condition that selects rows, such as `environment = 'production'`."""
    key: list[str] = []
    """Columns that together identify a row and are never NULL; lets a query or a view be read in pages."""
    columns: dict[str, Annotated[ColumnSpec, BeforeValidator(_column)]] = {}
    """Maps roles, or names of your choice, to columns; `timestamp` is required."""
    page_size: int = Field(20_000, ge=1, le=1_000_000)
    """Maximum number of rows of one read."""
    timeout: Duration = timedelta(seconds=2)
    """Timeout of one read, so that driftd does not slow down the application's database."""
    text_limit: int = Field(200_000, ge=1)
    """Maximum number of characters of a text that are read."""
    arrow: bool = True
    """Read large PostgreSQL pages through ADBC when it is installed."""

    @model_validator(mode="after")
    def _one_origin(self) -> Source:
        if sum(value is not None for value in (self.table, self.query, self.preset)) == 0:
            raise PydanticCustomError("origin", "give `table:`, `query:` or `preset:`, which select the records")
        if self.table is not None and self.query is not None:
            raise PydanticCustomError("origin", "give `table:` or `query:`, not both")
        if self.where is not None and self.preset is None:
            raise PydanticCustomError("origin", "`where:` goes with `preset:`; a `query:` has its own")
        if self.preset is None and "timestamp" not in self.columns:
            raise PydanticCustomError("timestamp", "`columns:` must map `timestamp` to the column of the event's time")
        return self
