"""Add imported labels and the verdicts of a judge to the records of a source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from detectors.binning import category
from detectors.performance.rates import VERDICT
from detectors.records import Column
from monitor.config.models import Monitor
from monitor.core.record_batch import RecordBatch
from monitor.sources.base import ColumnInfo, ColumnType, Counts, Reader
from monitor.sources.protection import Protection
from monitor.store import judge_labels, labels
from monitor.store.database import Connection, Database

T = TypeVar("T")


class LabelOverlayReader:
    """Reads the source; an imported label for a record's id takes precedence over the label of the source.

    The schema is that of the source, without the added labels. If the monitor has a judge, the column ``(verdict)`` has
    its verdict: 1 is bad, 0 is good. ``imported`` tells whether there are imported labels; if it is None, every read
    queries our database.
    """

    def __init__(
        self,
        reader: Reader,
        database: Database,
        monitor: Monitor,
        *,
        imported: bool | None = None,
    ) -> None:
        self._reader = reader
        self._database = database
        self._monitor = monitor
        self._imported = imported

    def assuming(self, *, imported: bool | None) -> LabelOverlayReader:
        """Return the same reader with a known value of ``imported``."""
        return LabelOverlayReader(self._reader, self._database, self._monitor, imported=imported)

    def read(self, start: datetime, end: datetime, columns: Sequence[str]) -> Iterator[RecordBatch]:
        some = bool(self._monitor.judged) or self._has_labels()
        for page in self._reader.read(start, end, columns):
            yield self._with_labels(page) if some and "id" in page else page

    def _has_labels(self) -> bool:
        if self._imported is not None:
            return self._imported
        with self._database.read() as connection:
            return labels.has_labels(connection, self._monitor.name)

    def _with_labels(self, page: RecordBatch) -> RecordBatch:
        ids = page["id"]
        keys = [None if gone else category(value) for value, gone in zip(ids.values, ids.missing, strict=True)]
        with self._database.read() as connection:
            known_keys = [key for key in keys if key is not None]
            aliases = self._find_aliases(connection, known_keys)
            wanted, name = [*known_keys, *aliases], self._monitor.name
            stored = _by_id(labels.load_labels(connection, name, wanted), aliases)
            verdicts = judge_labels.load_verdicts(connection, name, wanted) if self._monitor.judged else {}
        judged = _by_id(verdicts, aliases)
        if judged:
            page = page.with_columns({VERDICT: Column.of([judged.get(key) if key else None for key in keys])})
        if not stored:
            return page
        own: Mapping[int, object] = {}
        if "label" in page:
            column = page["label"]
            own = {row: column.values[row] for row in range(len(column)) if not column.missing[row]}
        merged = [stored.get(key, own.get(row)) if key else own.get(row) for row, key in enumerate(keys)]
        return page.with_columns({"label": Column.of(merged)})

    def _find_aliases(self, connection: Connection, keys: Sequence[str]) -> Mapping[str, str]:
        """Return the ids by their pseudonyms, if labels are stored by pseudonyms."""
        if not labels.has_pseudonyms(connection, self._monitor.name):
            return {}
        protection = Protection.of(self._monitor)
        return {protection.pseudonym(key): key for key in keys}

    def now(self) -> datetime:
        return self._reader.now()

    def quiet_since(self, end: datetime) -> bool | None:
        return self._reader.quiet_since(end)

    def describe(self, sample: int = 1000, until: datetime | None = None) -> list[ColumnInfo]:
        return self._reader.describe(sample, until)

    def schema(self) -> dict[str, ColumnType]:
        return self._reader.schema()

    def counts(self, start: datetime, end: datetime) -> Counts:
        return self._reader.counts(start, end)

    def condition(self, start: datetime, end: datetime) -> tuple[str, bool]:
        return self._reader.condition(start, end)

    @property
    def dialect(self) -> str:
        return self._reader.dialect

    def newest(self) -> datetime | None:
        return self._reader.newest()

    def oldest(self) -> datetime | None:
        return self._reader.oldest()

    def close(self) -> None:
        self._reader.close()


def _by_id(stored: Mapping[str, T], aliases: Mapping[str, str]) -> dict[str, T]:
    """Return stored values by the id of the record, also those that are stored by pseudonyms."""
    return {aliases.get(key, key): value for key, value in stored.items()}
