"""Validity of the answer as SQL."""

from __future__ import annotations

import difflib
import logging
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from detectors.records import Column, Records
from detectors.signals.base import Signal, each
from detectors.signals.patterns import compile_linear, utf8
from detectors.signals.valid_json import strip_fence

LONGEST = 20_000
"""Longest text that is parsed, in code points: parsing is slow, and statements are shorter."""
MOST_STEPS = 60_000
"""Limit of the parser's moves between tokens, as nested backtracking takes exponential time."""
FEW_TOKENS = 500
MOST_CALLS = 3_000_000
"""Limit of function calls and returns for texts of more than 500 tokens, as chains of operators take quadratic time."""
_BEGINS = (
    r"(?s)\A(?:[\s\v\x1c-\x1f\x{85}\pZ]|\(|--[^\n]*\n|/\*.*?\*/)*"
    r"(?:select|with|insert|update|delete|merge|create|alter|drop|truncate|values)(?:[^\pL\pN_]|\z)"
)
"""White space, brackets and comments, then a statement; RE2, as backtracking over comments takes exponential time."""


@dataclass(frozen=True)
class ValidSql:
    """Score 1 for a response that parses as SQL statements as a whole, 0 for any other.

    A statement selects, inserts, updates, deletes, merges, creates, alters, drops or truncates. ``dialect`` is one of
    sqlglot's (``postgres``, ``bigquery`` …); ``fenced`` accepts a single Markdown code block as the response. Missing
    for responses longer than 20,000 code points, or if the parser needs far more steps than for statements of that
    length, such as about a second's.

    Limits
    ------
    Syntax only: tables and columns may not exist. sqlglot accepts more than each database does.

    References
    ----------
    As a measure of generated SQL: Zhong, Yu, Klein, *Semantic evaluation for text-to-SQL with distilled test
    suites*, EMNLP 2020. Parsed by sqlglot.

    Examples
    --------
    >>> texts = ["SELECT id FROM parcels WHERE day = 1", "SELECT FROM WHERE", "Select a parcel, please, Anna."]
    >>> ValidSql()({"response": Column.of(texts)}).values.tolist()
    [1.0, 0.0, 0.0]
    """

    dialect: str | None = None
    fenced: bool = False

    def __call__(self, records: Records) -> Column:
        """Return a column of 1 and 0."""
        return each(records["response"], self._valid)

    def _valid(self, text: str) -> float:
        text = strip_fence(text) if self.fenced else text
        if len(text) > LONGEST:
            return math.nan
        if not compile_linear(_BEGINS, ignore_case=True).search(utf8(text)):
            return 0.0
        try:
            return float(_parses(text, self.dialect))
        except _TooMuchWork:
            return math.nan


class _TooMuchWork(Exception):  # noqa: N818
    """Raised when the parser exceeds its limit of steps."""


def _parses(text: str, dialect: str | None) -> bool:
    sqlglot = _sqlglot()
    exp = sqlglot.exp
    is_known_dialect, parser = _dialect(dialect)
    try:
        tokens = is_known_dialect.tokenize(text)
        bounded = parser(dialect=is_known_dialect)
        parse = partial(bounded.parse, tokens, text)
        statements = parse() if len(tokens) <= FEW_TOKENS else _within_calls(bounded, parse)
    except (sqlglot.errors.SqlglotError, RecursionError, ValueError, LookupError, TypeError, AttributeError):
        return False
    is_known_dialect = (exp.Query, exp.DML, exp.DDL, exp.Merge, exp.Drop, exp.Alter, exp.TruncateTable, exp.Values)
    return any(statements) and all(part is None or isinstance(part, is_known_dialect) for part in statements)


@lru_cache(maxsize=1)
def _sqlglot() -> Any:  # noqa: ANN401
    import sqlglot

    logging.getLogger("sqlglot").disabled = True  # it logs texts that it does not support
    return sqlglot


@lru_cache(maxsize=64)
def _dialect(name: str | None) -> tuple[Any, Any]:
    """Return a dialect, and its parser with a limit of steps per text."""
    dialect = _sqlglot().Dialect.get_or_raise(name)
    usual: Any = dialect.parser_class

    class Parser(usual):  # type: ignore[misc]
        steps = 0
        count: Callable[..., None] | None = None

        def _advance(self, times: int = 1) -> None:
            self.steps += 1
            if self.steps > MOST_STEPS:
                raise _TooMuchWork
            if self.count is not None and sys.getprofile() is not self.count:
                sys.setprofile(self.count)  # removed by Python if it raises, as on a stack overflow
            usual._advance(self, times)

    return dialect, Parser


def _within_calls(parser: Any, parse: Callable[[], Any]) -> Any:  # noqa: ANN401
    """Parse with a limit of function calls, which makes the parser three times as slow."""
    left = MOST_CALLS

    def count(_frame: object, _event: str, _detail: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise _TooMuchWork

    before = sys.getprofile()
    parser.count = count
    sys.setprofile(count)
    try:
        return parse()
    finally:
        sys.setprofile(before)


def configure(*, dialect: str | None = None, fenced: bool = False) -> Signal:
    """Set the dialect, and whether SQL in a Markdown code block is accepted.

    Examples
    --------
    >>> configure(dialect="postgrs")
    Traceback (most recent call last):
    ...
    ValueError: 'postgrs' is not a dialect of sqlglot; did you mean postgres?
    """
    if dialect is not None:
        _require_dialect(dialect)
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


def _require_dialect(dialect: str) -> None:
    names = sorted(name for name in _sqlglot().Dialect.classes if name)
    if dialect not in names:
        near = difflib.get_close_matches(dialect, names, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}."
        raise ValueError(f"{dialect!r} is not a dialect of sqlglot; {hint}")


SIGNAL = configure()
