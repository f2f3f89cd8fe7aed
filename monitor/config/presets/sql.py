"""SQL expressions that differ between databases."""

from __future__ import annotations

from typing import Protocol


def literal(text: str) -> str:
    """Quote a text as a SQL literal."""
    return "'" + text.replace("'", "''") + "'"


class Sql(Protocol):
    """Expressions of a database for JSON, numbers and times."""

    name: str

    def member(self, json: str, *path: str) -> str:
        """Return a member of a JSON column as text, NULL if it does not exist."""

    def field(self, text: str, *path: str) -> str:
        """Return a member of a text that should be JSON but may be truncated or invalid; NULL if it does not exist."""

    def number(self, text: str) -> str:
        """Convert a text to a number, NULL if it is not one."""

    def seconds(self, first: str, last: str) -> str:
        """Return the seconds between two times."""

    def text(self, value: str) -> str:
        """Convert a value to text."""

    def stripped(self, text: str, characters: str) -> str:
        """Remove characters from both ends of a text."""


class SqliteSql:
    """SQLite stores JSON as unvalidated text; invalid JSON has no members."""

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
    """JSON in PostgreSQL is jsonb, or text that is cast to it."""

    name = "postgresql"

    def member(self, json: str, *path: str) -> str:
        return f"jsonb_extract_path_text({json}::jsonb, {', '.join(map(literal, path))})"

    def field(self, text: str, *path: str) -> str:
        # A cast of invalid JSON would fail the whole read, and versions before 16 cannot test it.
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
    """Attributes in ClickHouse are maps, in which a missing key is an empty text."""

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
