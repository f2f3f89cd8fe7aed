"""The few things that presets say differently to each database."""

from __future__ import annotations

from typing import Protocol


def literal(text: str) -> str:
    """Quote a text, so that any is safe."""
    return "'" + text.replace("'", "''") + "'"


class Sql(Protocol):
    """A database's words for JSON, numbers and times."""

    name: str

    def member(self, json: str, *path: str) -> str:
        """Return a member of a JSON column as text, NULL where it is not there."""

    def field(self, text: str, *path: str) -> str:
        """Return a member of a text that should be JSON and may be cut or worse, NULL where it is not there."""

    def number(self, text: str) -> str:
        """Return a text as a number, NULL where it is none."""

    def seconds(self, first: str, last: str) -> str:
        """Return the seconds between two times."""

    def text(self, value: str) -> str:
        """Return any value as text."""

    def stripped(self, text: str, characters: str) -> str:
        """Return a text without these characters at its ends."""


class SqliteSql:
    """SQLite keeps JSON in texts that nobody checked; what is no JSON has no members."""

    name = "sqlite"

    def member(self, json: str, *path: str) -> str:
        steps = "$" + "".join(f"[{step}]" if step.isdecimal() else f'."{step}"' for step in path)
        return f"CASE WHEN json_valid({json}) THEN json_extract({json}, {literal(steps)}) END"

    def field(self, text: str, *path: str) -> str:
        return self.member(text, *path)

    def number(self, text: str) -> str:
        plain = f"{text} GLOB '*[0-9]*' AND NOT {text} GLOB '*[^-+.eE0-9]*'"
        return f"CASE WHEN typeof({text}) <> 'text' THEN {text} WHEN {plain} THEN CAST({text} AS REAL) END"

    def seconds(self, first: str, last: str) -> str:
        return f"(julianday({last}) - julianday({first})) * 86400.0"

    def text(self, value: str) -> str:
        return f"CAST({value} AS TEXT)"

    def stripped(self, text: str, characters: str) -> str:
        return f"trim({text}, {literal(characters)})"


class PostgresqlSql:
    """PostgreSQL's JSON is jsonb, or a text that is cast to it."""

    name = "postgresql"

    def member(self, json: str, *path: str) -> str:
        return f"jsonb_extract_path_text({json}::jsonb, {', '.join(map(literal, path))})"

    def field(self, text: str, *path: str) -> str:
        # A cast of what is no JSON would fail the whole read, and versions before 16 cannot ask first.
        pattern = f'"{path[-1]}"\\s*:\\s*"?([^",}}\\]]+)'
        return f"substring({text} from {literal(pattern)})"

    def number(self, text: str) -> str:
        return f"CASE WHEN {text} ~ '^-?[0-9]+([.][0-9]+)?([eE][-+]?[0-9]+)?$' THEN ({text})::float8 END"

    def seconds(self, first: str, last: str) -> str:
        return f"extract(epoch FROM ({last} - {first}))::float8"

    def text(self, value: str) -> str:
        return f"({value})::text"

    def stripped(self, text: str, characters: str) -> str:
        return f"btrim({text}, {literal(characters)})"


class ClickhouseSql:
    """ClickHouse's attributes are maps, in which a key that is not there has an empty text."""

    name = "clickhousedb"

    def member(self, json: str, *path: str) -> str:
        return f"nullif({json}[{literal('.'.join(path))}], '')"

    def field(self, text: str, *path: str) -> str:
        return f"nullif(JSONExtractString({text}, {', '.join(map(literal, path))}), '')"

    def number(self, text: str) -> str:
        return f"toFloat64OrNull({text})"

    def seconds(self, first: str, last: str) -> str:
        start, end = (f"toUnixTimestamp64Micro(toDateTime64({moment}, 6))" for moment in (first, last))
        return f"({end} - {start}) / 1e6"

    def text(self, value: str) -> str:
        return f"toString({value})"

    def stripped(self, text: str, characters: str) -> str:
        return f"trim(BOTH {literal(characters)} FROM {text})"


DIALECTS: dict[str, Sql] = {sql.name: sql for sql in (SqliteSql(), PostgresqlSql(), ClickhouseSql())}
