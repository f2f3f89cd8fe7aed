"""Notice that the content of a file has changed."""

from __future__ import annotations

import hashlib
from pathlib import Path


class FileWatch:
    """Compares the content of a file with what is known of it.

    A change counts when two looks in a row see the same new content, since a file may be half written. A file that
    cannot be read is ignored: it may be about to be replaced. A symbolic link is followed at each look: Kubernetes
    replaces its target.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
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
            return hashlib.sha256(self._path.read_bytes()).digest()
        except OSError:
            return None
