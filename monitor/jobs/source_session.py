"""The source of one monitor: a reader that is opened on first use and after an error, and its clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from monitor.jobs.label_overlay import LabelOverlayReader
from monitor.sources.base import Reader


class SourceSession:
    """A source with a reusable reader.

    Parameters
    ----------
    connect
        Opens the reader; called again after errors.
    source_time
        The clock that seals buckets, by default the source database's own.
    """

    def __init__(
        self, connect: Callable[[], Reader], source_time: Callable[[Reader], datetime] = lambda reader: reader.now()
    ) -> None:
        self._connect = connect
        self._source_time = source_time
        self._reader: Reader | None = None
        self._prepared_at: datetime | None = None

    @property
    def reader(self) -> Reader:
        """Return the reader; open it if necessary."""
        if self._reader is None:
            self._reader = self._connect()
        return self._reader

    def bucket_reader(self, *, labels_imported: bool | None) -> Reader:
        """Return the reader of one bucket; ``labels_imported`` is queried only if it is None."""
        reader = self.reader
        return reader.assuming(imported=labels_imported) if isinstance(reader, LabelOverlayReader) else reader

    def now(self) -> datetime:
        """Return the time that seals buckets."""
        return self._source_time(self.reader)

    def prepare(self) -> datetime:
        """Begin a turn and return its time."""
        self._prepared_at = self.now()
        return self._prepared_at

    @property
    def prepared_at(self) -> datetime:
        """Return the time that seals buckets when the turn began."""
        return self._prepared_at or self.now()

    def close(self) -> None:
        """Close the connections; the next use opens new ones."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None
