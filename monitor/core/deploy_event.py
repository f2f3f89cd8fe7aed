"""Deploy events: what was deployed to an application, and when; reported by people and by CI."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args
from urllib.parse import urlsplit

from monitor.core.incident import Change

DeployKind = Literal["deploy", "config", "data"]
DEPLOY_KINDS: tuple[DeployKind, ...] = get_args(DeployKind)
DEPLOY = "deploy"
"""Kind of a change that is a deploy event."""
LONGEST = {"id": 64, "monitor": 63, "kind": 16, "version": 256, "commit": 64, "author": 128, "link": 512, "at": 40}
"""Keys of a reported event, and the maximum number of characters of each."""
AHEAD = timedelta(minutes=5)
"""An event may be this much later than our clock."""
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_IDENTITY = re.compile(r"[A-Za-z0-9._:-]+")


@dataclass(frozen=True, kw_only=True)
class DeployEvent:
    """A deployment of a version of an application, or a change of its configuration or data.

    Parameters
    ----------
    id
        Unique; an event that is reported again with the same id is not stored again.
    version
        As logged in `model_version` or `prompt_version`, if it is one of these.
    """

    id: str
    monitor: str
    kind: DeployKind
    at: datetime
    version: str
    commit: str
    author: str
    link: str

    @property
    def change(self) -> Change:
        """Return the event as a candidate cause of incidents."""
        return Change(DEPLOY, self.kind, self.version or self.commit[:12] or self.link, self.at)

    def sentence(self) -> str:
        """Return kind, author, commit and link, for messages."""
        who = f" by {self.author}" if self.author else ""
        commit = f", commit {self.commit[:8]}" if self.commit else ""
        return f"{self.kind}{who}{commit}" + (f", {self.link}" if self.link else "")


def parse_event(given: Mapping[str, object], now: datetime) -> DeployEvent:
    """Return the event that a request or a command describes.

    Parameters
    ----------
    given
        Texts by key of ``LONGEST``; `monitor`, and one of `version`, `commit` and `link` are required. By default `id`
        is a digest of the other keys, and `at` is ``now``.

    Raises
    ------
    ValueError
        With a sentence that names the key that is wrong.
    """
    unknown = sorted(set(given) - set(LONGEST))
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not a key of an event. Allowed: {', '.join(LONGEST)}.")
    texts = {key: _parse_text(key, given.get(key)) for key in LONGEST}
    kind = texts["kind"] or DEPLOY
    if kind not in DEPLOY_KINDS:
        raise ValueError(f"`kind` is {kind!r}; allowed: {', '.join(DEPLOY_KINDS)}.")
    if not texts["monitor"]:
        raise ValueError("`monitor` is missing; name the monitor of the application.")
    if not (texts["version"] or texts["commit"] or texts["link"]):
        raise ValueError("give at least one of `version`, `commit` and `link`, so that people can tell what it was.")
    _check_link(texts["link"])
    if texts["id"] and not _IDENTITY.fullmatch(texts["id"]):
        raise ValueError("`id` may contain letters, digits and . _ : - only.")
    at = _parse_time(texts["at"], now)
    described = "\0".join([texts["monitor"], kind, texts["version"], texts["commit"], texts["link"], at.isoformat()])
    return DeployEvent(
        id=texts["id"] or hashlib.sha256(described.encode()).hexdigest()[:32],
        monitor=texts["monitor"],
        kind=kind,
        at=at,
        version=texts["version"],
        commit=texts["commit"],
        author=texts["author"],
        link=texts["link"],
    )


def _parse_text(key: str, value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"`{key}` must be a text.")
    text = value.strip()
    if len(text) > LONGEST[key]:
        raise ValueError(f"`{key}` has {len(text)} characters; at most {LONGEST[key]} are allowed.")
    if _UNPRINTABLE.search(text):
        raise ValueError(f"`{key}` contains control characters; remove them.")
    return text


def _check_link(link: str) -> None:
    """Raise if a link is not an http or https address without a password."""
    if not link:
        return
    try:
        parts = urlsplit(link)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.password is None
    except ValueError:
        is_usable = False
    if not is_usable:
        raise ValueError("`link` must be an address that begins with https:// or http://, without a password.")


def _parse_time(text: str, now: datetime) -> datetime:
    if not text:
        return now
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("`at` must be an ISO 8601 time, such as 2026-11-01T08:00:00Z.") from None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    if at > now + AHEAD:
        raise ValueError("`at` is in the future; report a deployment when it has been made.")
    return at
