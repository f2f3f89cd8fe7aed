"""Whether the answer is SQL."""

from __future__ import annotations

import difflib
import logging
import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from detectors.records import Column, Records
from detectors.signals.base import Signal, each
from detectors.signals.valid_json import unfenced

LONGEST = 20_000
"""Code points from which on a text is not parsed: parsing is slow, and a statement is shorter."""
MOST_WORK = 1 << 14
"""Of a text that is parsed: each bracket doubles the work inside of it, for the parser tries some readings in turn."""
_BEGINS = re.compile(
    r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*(select|with|insert|update|delete|merge|create|alter|drop|truncate|values)\b",
    re.IGNORECASE | re.DOTALL,
)
_BRACKET = re.compile(r"[()\[\]{}]")


@dataclass(frozen=True)
class ValidSql:
    """Say of each response whether the whole of it parses as SQL statements (1) or not (0).

    A statement selects, inserts, updates, deletes, merges, creates, alters, drops or truncates. ``dialect`` is one
    of sqlglot's (``postgres``, ``bigquery`` …); ``fenced`` takes what stands in one Markdown code block for the
    response. Missing where the response is longer than 20,000 code points or has about a dozen brackets inside one
    another, which could take the parser longer than a second.

    Limits
    ------
    Grammar only: tables and columns may not exist. sqlglot accepts more than each database does.

    References
    ----------
    As a measure of generated SQL: Zhong, Yu, Klein, *Semantic evaluation for text-to-SQL with distilled test
    suites*, EMNLP 2020. Parsed by sqlglot.

    Examples
    --------
    >>> said = ["SELECT id FROM parcels WHERE day = 1", "SELECT FROM WHERE", "Select a parcel, please, Anna."]
    >>> ValidSql()({"response": Column.of(said)}).values.tolist()
    [1.0, 0.0, 0.0]
    """

    dialect: str | None = None
    fenced: bool = False

    def __call__(self, records: Records) -> Column:
        """Return a column of 1 and 0."""
        return each(records["response"], self._valid)

    def _valid(self, text: str) -> float:
        text = unfenced(text) if self.fenced else text
        if len(text) > LONGEST:
            return math.nan
        if not _BEGINS.match(text):
            return 0.0
        return math.nan if _work(text) > MOST_WORK else float(_parses(text, self.dialect))


def _parses(text: str, dialect: str | None) -> bool:
    sqlglot = _sqlglot()
    exp = sqlglot.exp
    try:
        statements = sqlglot.parse(text, dialect=dialect)
    except (sqlglot.errors.SqlglotError, RecursionError, ValueError, LookupError, TypeError, AttributeError):
        return False
    known = (exp.Query, exp.DML, exp.DDL, exp.Merge, exp.Drop, exp.Alter, exp.TruncateTable, exp.Values)
    return any(statements) and all(part is None or isinstance(part, known) for part in statements)


@lru_cache(maxsize=1)
def _sqlglot() -> Any:  # noqa: ANN401
    import sqlglot

    logging.getLogger("sqlglot").disabled = True  # it logs the text of what it does not know
    return sqlglot


def _work(text: str) -> int:
    """Bound the work of a parser that reads what stands in a bracket twice."""
    work, depth = 0, 0
    for bracket in _BRACKET.findall(text):
        if bracket in "([{":
            depth += 1
            work += 1 << min(depth, 64)
        else:
            depth = max(0, depth - 1)
    return work


def configure(*, dialect: str | None = None, fenced: bool = False) -> Signal:
    """Name the dialect, and say whether SQL in a Markdown code block will do.

    Examples
    --------
    >>> configure(dialect="postgrs")
    Traceback (most recent call last):
    ...
    ValueError: 'postgrs' is not a dialect of sqlglot; did you mean postgres?
    """
    if dialect is not None:
        _known(dialect)
    return Signal(
        name="valid_sql",
        needs=("response",),
        kind="numeric",
        better="higher",
        compute=ValidSql(dialect, fenced),
        unit="1 or 0",
        cost="about 2,000 of SQL",
        citation="Zhong, Yu and Klein 2020",
        configure=configure,
    )


def _known(dialect: str) -> None:
    names = sorted(name for name in _sqlglot().Dialect.classes if name)
    if dialect not in names:
        near = difflib.get_close_matches(dialect, names, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}."
        raise ValueError(f"{dialect!r} is not a dialect of sqlglot; {hint}")


SIGNAL = configure()
