"""The registry of prompts: every version that was ever pushed; none is changed or removed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.prompts import Prompt
from monitor.store.database import now, upsert
from monitor.store.tables import prompt_tags, prompts, versions


def push(connection: Connection, prompt: Prompt) -> tuple[Prompt, bool]:
    """Store a prompt unless the registry holds it; return it with its number, and whether it is new."""
    query = sa.select(prompts.c.version, prompts.c.hash).where(prompts.c.name == prompt.name)
    held = {row.hash: row.version for row in connection.execute(query)}
    if prompt.hash in held:
        return _numbered(prompt, held[prompt.hash]), False
    number = max(held.values(), default=0) + 1
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
    return _numbered(prompt, number), True


def known(connection: Connection, name: str | None = None, most: int = 2000) -> list[Prompt]:
    """Return the versions of a prompt, or of all, the newest of each name first."""
    tags: dict[tuple[str, int], list[str]] = {}
    for row in connection.execute(sa.select(prompt_tags).order_by(prompt_tags.c.tag)):
        tags.setdefault((row.name, row.version), []).append(row.tag)
    query = sa.select(prompts).order_by(prompts.c.name, prompts.c.version.desc()).limit(most)
    if name is not None:
        query = query.where(prompts.c.name == name)
    return [
        Prompt(
            row.name, row.content, row.version, row.description, row.commit, row.author, row.committed_at, row.dirty,
            tuple(tags.get((row.name, row.version), ())),
        )
        for row in connection.execute(query)
    ]  # fmt: skip


def set_tag(connection: Connection, prompt: Prompt, tag: str) -> None:
    """Let a tag, such as ``production``, mean this version of its prompt from now on."""
    at = now(connection)
    row = {"name": prompt.name, "tag": tag, "version": prompt.version, "tagged_at": at}
    upsert(connection, prompt_tags, [row], version=prompt.version, tagged_at=at)


def seen(connection: Connection) -> Sequence[Any]:
    """Return the prompt versions of all logs, with their traffic."""
    query = sa.select(versions).where(versions.c.role == "prompt_version").order_by(versions.c.first_seen.desc())
    return connection.execute(query).all()


def _numbered(prompt: Prompt, number: int) -> Prompt:
    return Prompt(**{**vars(prompt), "version": number})
