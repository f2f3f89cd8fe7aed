"""The registry of prompts: every pushed version; versions are never changed or deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.core.prompts import Prompt, Register
from monitor.store.database import now, upsert
from monitor.store.rows import VersionRow, columns, read_all
from monitor.store.tables import prompt_tags, prompts, versions

MOST = 20_000
"""Maximum number of versions per query."""


WORDS = ("content", "description")


@dataclass(frozen=True)
class PromptRow:
    """A version of a prompt; its text is empty if it was not requested."""

    name: str
    version: int
    hash: str
    commit: str
    author: str
    committed_at: datetime | None
    dirty: bool
    content: Mapping[str, object] = field(default_factory=dict)
    description: str = ""


def push(connection: Connection, prompt: Prompt) -> tuple[Prompt, bool]:
    """Store a prompt unless the registry has it; return it with its number, and whether it is new."""
    query = sa.select(prompts.c.version, prompts.c.hash).where(prompts.c.name == prompt.name)
    versions = {row.hash: row.version for row in connection.execute(query)}
    if prompt.hash in versions:
        return _with_number(prompt, versions[prompt.hash]), False
    number = max(versions.values(), default=0) + 1
    connection.execute(
        sa.insert(prompts).values(
            name=prompt.name,
            version=number,
            hash=prompt.hash,
            content=dict(prompt.content),
            description=prompt.description[:512],
            commit=prompt.commit,
            author=prompt.author[:128],
            committed_at=prompt.committed_at,
            dirty=prompt.dirty,
            pushed_at=now(connection),
        )
    )
    return _with_number(prompt, number), True


def load_prompts(connection: Connection, *, words: bool = True, limit: int = MOST, offset: int = 0) -> list[Prompt]:
    """Return the versions of all prompts, ordered by name, the newest of each first.

    Without ``words`` the texts are not read; the rest suffices to recognise a version in a log.
    """
    tags: dict[tuple[str, int], list[str]] = {}
    for row in connection.execute(sa.select(prompt_tags).order_by(prompt_tags.c.tag)):
        tags.setdefault((row.name, row.version), []).append(row.tag)
    query = (
        sa.select(*columns(prompts, PromptRow, *() if words else WORDS))
        .order_by(prompts.c.name, prompts.c.version.desc())
        .limit(limit)
        .offset(offset)
    )
    return [_prompt(row, tags.get((row.name, row.version), ())) for row in read_all(connection, PromptRow, query)]


def count(connection: Connection) -> int:
    """Return the number of versions."""
    return int(connection.execute(sa.select(sa.func.count()).select_from(prompts)).scalar_one())


def with_words(connection: Connection, prompt: Prompt) -> Prompt:
    """Return a version with its text, which was not read before."""
    query = sa.select(*columns(prompts, PromptRow)).where(
        prompts.c.name == prompt.name, prompts.c.version == prompt.version
    )
    (row,) = read_all(connection, PromptRow, query)
    return _prompt(row, prompt.tags)


def _prompt(row: PromptRow, tags: Sequence[str]) -> Prompt:
    return Prompt(
        row.name,
        row.content,
        row.version,
        row.description,
        row.commit,
        row.author,
        row.committed_at,
        row.dirty,
        tuple(tags),
        row.hash,
    )


def set_tag(connection: Connection, prompt: Prompt, tag: str) -> None:
    """Move a tag, such as ``production``, to this version of its prompt."""
    at = now(connection)
    row = {"name": prompt.name, "tag": tag, "version": prompt.version, "tagged_at": at}
    upsert(connection, prompt_tags, [row], replace=("version", "tagged_at"))


def load_traffic(connection: Connection) -> list[VersionRow]:
    """Return the traffic of the prompt versions in the records of all monitors."""
    query = sa.select(versions).where(versions.c.role == "prompt_version").order_by(versions.c.first_seen.desc())
    return read_all(connection, VersionRow, query)


def count_unregistered(connection: Connection, lately: timedelta = timedelta(days=1)) -> dict[str, int] | None:
    """Count per monitor the prompt versions in recent records that were never pushed; None if none was ever pushed."""
    register = load_prompts(connection, words=False)
    if not register:
        return None
    recent = sa.and_(versions.c.role == "prompt_version", versions.c.last_seen >= now(connection) - lately)
    recognise, counts = Register(register).recognise, dict[str, int]()
    for row in connection.execute(sa.select(versions.c.monitor, versions.c.value).where(recent)):
        counts[row.monitor] = counts.get(row.monitor, 0) + (recognise(row.value) is None)
    return counts


def _with_number(prompt: Prompt, number: int) -> Prompt:
    return Prompt(**{**vars(prompt), "version": number})
