"""Versions of prompts: identify them by content hash, recognise them in logged values, and compare them."""

from __future__ import annotations

import bisect
import difflib
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

SHORTEST_HASH = 7
"""Minimum number of hexadecimal digits of an abbreviated hash, as in git."""
_BRACES = re.compile(r"\{\{-?\s*([A-Za-z_]\w*)[^{}]*\}\}")
_BRACE = re.compile(r"(?<!\{)\{([A-Za-z_]\w*)\}(?!\})")


@dataclass(frozen=True)
class Prompt:
    """One version of a prompt.

    Parameters
    ----------
    name
        Path in the directory of prompts, without the suffix.
    content
        ``template`` or ``messages``, and optionally ``model`` and ``parameters``.
    version
        Number in the registry, from 1; 0 for a file that was not pushed.
    known_hash
        Stored hash of a version that was read without its content; ``content`` is then empty.
    commit, author, committed_at
        The last commit of its file; empty outside a git repository. ``dirty`` if the file has uncommitted changes.
    """

    name: str
    content: Mapping[str, Any]
    version: int = 0
    description: str = ""
    commit: str = ""
    author: str = ""
    committed_at: datetime | None = None
    dirty: bool = False
    tags: Sequence[str] = field(default_factory=tuple)
    known_hash: str = ""

    @property
    def hash(self) -> str:
        """Return the SHA-256 of the content as hexadecimal digits, independent of name and registry."""
        if self.known_hash:
            return self.known_hash
        serialized = json.dumps(self.content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(serialized.encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def text(self) -> str:
        """Return the template, or the messages each under its role, as text."""
        if "template" in self.content:
            return str(self.content["template"])
        parts = [f"[{one['role']}]\n{one['content']}" for one in self.content.get("messages", [])]
        return "\n\n".join(parts)

    @property
    def variables(self) -> list[str]:
        """Return the names of `{{ name }}` or `{name}` in the order of first use."""
        return template_variables(self.text)

    @property
    def label(self) -> str:
        """Return ``name@version``."""
        return f"{self.name}@{self.version}"

    def sentence(self) -> str:
        """Return the label with author and commit, for messages."""
        who = f" by {self.author}" if self.author else ""
        commit = f", commit {self.commit[:8]}" if self.commit else ""
        return f"{self.label}{who}{commit}"


def template_variables(text: str) -> list[str]:
    """Return the variables of a template; single braces are ignored if there are double braces."""
    names = _BRACES.findall(text) or _BRACE.findall(text)
    return list(dict.fromkeys(names))


class Register:
    """An index of prompt versions that recognises the notations used in logs.

    Recognised are the hash or a prefix of at least seven digits; ``name@3``, ``name:3``, ``name/3``, ``name-v3`` or
    ``name v3``; and the number alone if the registry contains a single prompt.

    Examples
    --------
    >>> register = Register([Prompt("greeting", {"template": "Hello"}, 2), Prompt("greeting", {"template": "Hi"}, 1)])
    >>> [prompt and prompt.label for prompt in map(register.recognise, ("greeting:v1", "2", "other@1"))]
    ['greeting@1', 'greeting@2', None]
    """

    def __init__(self, prompts: Sequence[Prompt]) -> None:
        self._hashes = sorted((prompt.hash, place) for place, prompt in enumerate(prompts))
        self._prompts = prompts
        self._spelled: dict[str, list[Prompt]] = {}
        single = len({prompt.name for prompt in prompts}) == 1
        for prompt in prompts:
            for spelling in (*_spellings(prompt), *([str(prompt.version)] if single else [])):
                self._spelled.setdefault(spelling, []).append(prompt)

    def recognise(self, value: str) -> Prompt | None:
        """Return the version that a logged value denotes, None if it matches none or several."""
        text = value.strip()
        if len(text) >= SHORTEST_HASH:
            start = text.lower().removeprefix("sha256:")
            first = bisect.bisect_left(self._hashes, (start, -1))
            places = [place for digits, place in self._hashes[first : first + 2] if digits.startswith(start)]
            if start and len(places) == 1:
                return self._prompts[places[0]]
        exact = self._spelled.get(text)
        if exact is None and text.isascii():
            number = text.lower().removeprefix("v")
            exact = self._spelled.get(number) if number.isdecimal() else None
        return exact[0] if exact is not None and len(exact) == 1 else None


def recognise(value: str, prompts: Sequence[Prompt]) -> Prompt | None:
    """Return the version that a single logged value denotes, see :class:`Register`."""
    return Register(prompts).recognise(value)


def _spellings(prompt: Prompt) -> Iterator[str]:
    for between in ("@", ":", "/", "-", "_", " ", "-v", "_v", " v", "@v", ":v"):
        yield f"{prompt.name}{between}{prompt.version}"


def find(prompts: Sequence[Prompt], which: str) -> Prompt | None:
    """Return a version by ``name`` (its newest version), ``name@3``, ``name@tag`` or hash; None if there is none."""
    name, _, last = which.rpartition("@")
    chosen = [prompt for prompt in prompts if prompt.name == which][:1]
    chosen = chosen or [prompt for prompt in prompts if prompt.name == name and last in prompt.tags]
    return chosen[0] if chosen else recognise(which, prompts)


def catalogue(page: Sequence[Prompt], prompts: Sequence[Prompt], usage: Sequence[Any]) -> dict[str, Any]:
    """Return versions with their traffic, and the logged values that match no registered version.

    Parameters
    ----------
    page
        The versions to return, with content.
    prompts
        All versions, with or without content; logged values are recognised among these.
    usage
        The logged values with their traffic.
    """
    traffic: dict[str, list[dict[str, Any]]] = {}
    unregistered = []
    register = Register(prompts)
    for row in usage:
        prompt = register.recognise(row.value)
        entry = {
            "monitor": row.monitor,
            "value": row.value,
            "first_seen": row.first_seen,
            "last_seen": row.last_seen,
            "rows": row.rows,
        }
        if prompt is None:
            unregistered.append(entry)
        else:
            traffic.setdefault(prompt.label, []).append(entry)
    return {
        "prompts": [{**describe(prompt), "traffic": traffic.get(prompt.label, [])} for prompt in page],
        "not_registered": unregistered,
    }


def difference(one: Prompt, other: Prompt) -> dict[str, Any]:
    """Compare two versions: variables, model, parameters, and a unified diff of the text.

    Examples
    --------
    >>> old = Prompt("a", {"template": "Hi {{ name }}", "model": "big"}, 1)
    >>> new = Prompt("a", {"template": "Hello {{ name }}, {{ day }}", "model": "small"}, 2)
    >>> changes = difference(old, new)
    >>> changes["variables"], changes["settings"]
    ({'added': ['day'], 'removed': []}, {'model': {'from': 'big', 'to': 'small'}})
    """
    sides = [_settings(prompt) for prompt in (one, other)]
    changed = {
        key: {"from": sides[0].get(key), "to": sides[1].get(key)}
        for key in sorted(sides[0].keys() | sides[1].keys())
        if sides[0].get(key) != sides[1].get(key)
    }
    lines = difflib.unified_diff(one.text.splitlines(), other.text.splitlines(), one.label, other.label, lineterm="")
    return {
        "from": one.sentence(),
        "to": other.sentence(),
        "same": one.hash == other.hash,
        "variables": {
            "added": [name for name in other.variables if name not in one.variables],
            "removed": [name for name in one.variables if name not in other.variables],
        },
        "settings": changed,
        "words": list(lines),
    }


def _settings(prompt: Prompt) -> dict[str, Any]:
    parameters = prompt.content.get("parameters", {})
    model = {"model": prompt.content["model"]} if "model" in prompt.content else {}
    return {**model, **{f"parameters.{key}": value for key, value in parameters.items()}}


def describe(prompt: Prompt) -> dict[str, Any]:
    """Return the metadata of a version, without its content."""
    return {
        "name": prompt.name,
        "version": prompt.version,
        "hash": prompt.hash,
        "variables": prompt.variables,
        "model": prompt.content.get("model"),
        "parameters": prompt.content.get("parameters", {}),
        "description": prompt.description,
        "tags": list(prompt.tags),
        "author": prompt.author,
        "commit": prompt.commit,
        "committed_at": prompt.committed_at,
        "dirty": prompt.dirty,
    }
