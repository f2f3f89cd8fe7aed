"""Notice that the content of files has changed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path


class FileWatch:
    """Compares the content of files with what is known of it.

    A change counts when two looks in a row see the same new content, since a file may be half written. A file that
    cannot be read is ignored: it may be about to be replaced. A symbolic link is followed at each look: Kubernetes
    replaces its target.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self.accept()

    def accept(self) -> None:
        """Take the present content as known."""
        self._known = self._seen = self._read()

    def look(self) -> bool:
        """Return whether the content has changed and is complete; it is known from then on."""
        before, self._seen = self._seen, self._read()
        if self._seen in (None, self._known) or self._seen != before:
            return False
        self._known = self._seen
        return True

    def _read(self) -> bytes | None:
        try:
            return b"".join(hashlib.sha256(path.read_bytes()).digest() for path in self._paths)
        except OSError:
            return None
