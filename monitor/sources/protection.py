"""Decide by the class of a column which of its values may be stored and shown, and replace the others.

The same value always has the same pseudonym, so counts, segments and budgets by value are those of the values.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from detectors.binning import category
from detectors.records import Column
from monitor.config.checks import SpendConfig
from monitor.config.models import Config, Monitor
from monitor.core.pseudonym import HashKey, is_pseudonym, pseudonym
from monitor.core.record_batch import RecordBatch
from monitor.sources.screen import personal_types

SCANNED = 5000
"""Number of characters of a value that are scanned."""
VERSIONS = ("model_version", "prompt_version")
_PLAIN = re.compile(r"\d{1,11}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64})")
"""Short numbers, UUIDs and digests, which need no scan."""
LIKE_VERSIONS = frozenset({"ip_address"})
"""Types that are ignored in versions: 1.2.3.4 is a version there."""


@lru_cache(100_000)
def _may_be_shown(text: str, *, is_version: bool) -> bool:
    """Return whether a value contains neither personal data nor secrets; cached, since a scan takes up to 0.2 ms."""
    if is_pseudonym(text) or _PLAIN.fullmatch(text):
        return True
    return not set(personal_types([text[:SCANNED]])) - (LIKE_VERSIONS if is_version else set())


@dataclass(frozen=True)
class Protection:
    """Replaces values that must not be stored by pseudonyms.

    Parameters
    ----------
    classes
        Declared classes by column, see ``classes:``. A value of a column without one is replaced if it contains
        personal data or a secret; of an ``identifier`` every value is; of a ``category`` none is.
    key
        Key of the pseudonyms.

    Examples
    --------
    >>> protection = Protection({"user": "identifier"}, lambda: b"key")
    >>> protection.replace("tenant", "acme"), protection.replace("tenant", "jane@example.com")
    ('acme', 'id:43c915a5fb2a')
    >>> protection.replace("user", "jane@example.com") == protection.replace("tenant", "jane@example.com")
    True
    """

    classes: Mapping[str, str]
    key: HashKey

    @classmethod
    def of(cls, monitor: Monitor) -> Protection:
        """Return the protection of the columns of a monitor."""
        return cls(monitor.classes, monitor.hash_key)

    def replace(self, column: str, value: str) -> str:
        """Return a value as it may be stored: itself or its pseudonym."""
        return value if self._may_be_stored(column, value) else self.pseudonym(value)

    def pseudonym(self, value: str) -> str:
        """Return the pseudonym of a value, which may be one already."""
        return value if is_pseudonym(value) else pseudonym(self.key(), value)

    def protect(self, records: RecordBatch, columns: Iterable[str]) -> RecordBatch:
        """Return records whose named columns have only values that may be stored."""
        replaced = {}
        for name in columns:
            if name in records and (column := self._protect_column(name, records[name])) is not records[name]:
                replaced[name] = column
        return records.with_columns(replaced) if replaced else records

    def _may_be_stored(self, column: str, value: str) -> bool:
        declared = self.classes.get(column)
        if declared is not None:
            return declared != "identifier"
        return _may_be_shown(value, is_version=column in VERSIONS)

    def _protect_column(self, name: str, column: Column) -> Column:
        is_identifier = self.classes.get(name) == "identifier"
        if column.values.dtype != object and not is_identifier:
            return column
        values = column.values.tolist()
        texts = {category(value) if is_identifier else value for value in values if is_identifier or type(value) is str}
        hidden = {text: new for text in texts if (new := self.replace(name, text)) != text}
        if not hidden:
            return column
        made = np.empty(len(values), dtype=object)
        made[:] = [_look_up(hidden, value, convert=is_identifier) for value in values]
        return Column(made, column.missing)


@dataclass(frozen=True)
class ColumnProtection:
    """The protection of the values of one column."""

    protection: Protection
    column: str

    def __call__(self, value: str) -> str:
        """Return a value as it may be stored."""
        return self.protection.replace(self.column, value)


def _look_up(hidden: Mapping[str, str], value: object, *, convert: bool) -> object:
    text = category(value) if convert else value
    return hidden.get(text, value) if isinstance(text, str) else value


def protect_config(config: Config, key: HashKey) -> Config:
    """Return a configuration whose monitors have a key, and name values in `limits:` as they are stored."""
    monitors = [_protect_limits(monitor.with_hash_key(key)) for monitor in config.monitors]
    return config.model_copy(update={"monitors": monitors})


def _protect_limits(monitor: Monitor) -> Monitor:
    protection = Protection.of(monitor)
    checks = [
        check.with_stored_form(ColumnProtection(protection, check.by))
        if isinstance(check, SpendConfig) and check.by
        else check
        for check in monitor.checks
    ]
    return monitor.model_copy(update={"checks": checks}) if monitor.budgets else monitor
