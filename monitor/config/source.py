"""Where an application logs: the `source:` of a monitor, and the roles that its columns may have."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from monitor.config.presets import PRESETS
from monitor.config.sections import Duration, Section

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
)
TEXT_ROLES = ("question", "context", "response", "samples", "logprobs")


class ColumnSpec(Section):
    """One of their columns, and for a timestamp how it is written."""

    column: str
    """Name of their column."""
    unit: Literal["s", "ms", "us", "ns"] | None = None
    """What a number counts (s, ms, us, ns): a time since 1970; of another role a duration, read as seconds."""
    zone: str | None = None
    """For a time without a zone: its IANA zone, by default UTC."""
    format: str | None = None
    """For a text that is not ISO 8601: its strptime format."""
    chat: bool = False
    """For JSON of chat messages: read the words of the last user's message (question) or of the answer."""


def _column(value: object) -> object:
    return {"column": value} if isinstance(value, str) else value


def _preset(name: str) -> str:
    if name not in PRESETS:
        raise PydanticCustomError("word", "{key}", {"key": name, "allowed": sorted(PRESETS)})
    return name


PresetName = Annotated[str, AfterValidator(_preset), WithJsonSchema({"type": "string", "enum": sorted(PRESETS)})]


class Source(Section):
    """Where the application logs: a table, a view, a query, or a preset."""

    url: SecretStr
    """SQLAlchemy URL of the database; `url_file` reads it from a file."""
    table: str | None = None
    """Table or view, optionally with its schema."""
    query: str | None = None
    """A SELECT instead of a table."""
    preset: PresetName | None = None
    """A known log by name, instead of a query; presets.md lists them."""
    where: str | None = None
    """For a preset: an SQL condition over its columns, such as `environment = 'production'`."""
    key: list[str] = []
    """Columns that together name a row and are never NULL: a query or a view that has them is read by pages."""
    columns: dict[str, Annotated[ColumnSpec, BeforeValidator(_column)]] = {}
    """Role or name to their column; `timestamp` is needed."""
    page_size: int = Field(20_000, ge=1, le=1_000_000)
    """Rows of one read."""
    timeout: Duration = timedelta(seconds=2)
    """Longest time of one read; theirs must not wait behind ours."""
    text_limit: int = Field(200_000, ge=1)
    """Code points of a text that are read."""
    arrow: bool = True
    """Read large PostgreSQL pages through ADBC when it is installed."""

    @model_validator(mode="after")
    def _one_origin(self) -> Source:
        if sum(value is not None for value in (self.table, self.query, self.preset)) == 0:
            raise PydanticCustomError("origin", "say where the records are: `table:`, `query:` or `preset:`")
        if self.table is not None and self.query is not None:
            raise PydanticCustomError("origin", "give `table:` or `query:`, not both")
        if self.where is not None and self.preset is None:
            raise PydanticCustomError("origin", "`where:` goes with `preset:`; a `query:` has its own")
        if self.preset is None and "timestamp" not in self.columns:
            raise PydanticCustomError("timestamp", "`columns:` must map `timestamp` to the column of the event's time")
        return self
