"""Add imported labels and the verdicts of a judge to the records of a source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from detectors.binning import category
from detectors.performance.rates import VERDICT
from detectors.records import Column
from monitor.core.record_batch import RecordBatch
from monitor.sources.base import ColumnInfo, ColumnType, Counts, Reader
from monitor.store import judge_labels, labels
from monitor.store.database import Database


class LabelOverlayReader:
    """Reads the source; an imported label for a record's id takes precedence over the label of the source.

    The schema is that of the source, without the added labels. With ``judged`` the column ``(verdict)`` has the verdict
    of the judge: 1 is bad, 0 is good. ``imported`` tells whether there are imported labels; if it is None, every read
    queries our database.
    """

    def __init__(
        self, reader: Reader, database: Database, monitor: str, *, judged: bool = False, imported: bool | None = None
    ) -> None:
        self._reader = reader
        self._database = database
        self._monitor = monitor
        self._judged = judged
        self._imported = imported

    def assuming(self, *, imported: bool | None) -> LabelOverlayReader:
        """Return the same reader with a known value of ``imported``."""
        return LabelOverlayReader(self._reader, self._database, self._monitor, judged=self._judged, imported=imported)

    def read(self, start: datetime, end: datetime, columns: Sequence[str]) -> Iterator[RecordBatch]:
        some = self._judged or self._has_labels()
        for page in self._reader.read(start, end, columns):
            yield self._with_labels(page) if some and "id" in page else page

    def _has_labels(self) -> bool:
        if self._imported is not None:
            return self._imported
        with self._database.read() as connection:
            return labels.has_labels(connection, self._monitor)

    def _with_labels(self, page: RecordBatch) -> RecordBatch:
        ids = page["id"]
        keys = [None if gone else category(value) for value, gone in zip(ids.values, ids.missing, strict=True)]
        with self._database.read() as connection:
            known_keys = [key for key in keys if key is not None]
            stored = labels.load_labels(connection, self._monitor, known_keys)
            judged = judge_labels.load_verdicts(connection, self._monitor, known_keys) if self._judged else {}
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
