"""Read prompts from a folder, each with its last change from git."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from monitor.core.gitfile import last_change
from monitor.core.prompts import Prompt
from monitor.core.yamlfile import ConfigError

TEXT = (".txt", ".md", ".prompt", ".j2", ".jinja", ".jinja2")
STRUCTURED = (".yaml", ".yml", ".json")
CONTENT = ("template", "messages", "model", "parameters")
KNOWN_KEYS = (*CONTENT, "description")
LARGEST = 1_000_000
_FRONT = re.compile(r"\A---[ \t]*\n(.*?)\n---[ \t]*\n", re.DOTALL)


def read_folder(folder: Path) -> list[Prompt]:
    """Read every prompt of a folder, in order of name; other files are ignored."""
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder; name the folder of the prompts.")
    prompts = [prompt for path in sorted(folder.rglob("*")) if (prompt := _read_file(folder, path)) is not None]
    if not prompts:
        raise ConfigError(f"{folder} contains no prompt, no file ending in {', '.join((*TEXT, *STRUCTURED))}.")
    names = [prompt.name for prompt in prompts]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"{folder}: two files are the prompt {twice[0]!r}; give one of them another name.")
    return prompts


def _read_file(folder: Path, path: Path) -> Prompt | None:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    if hidden or path.suffix not in (*TEXT, *STRUCTURED) or path.stem.lower() == "readme" or not path.is_file():
        return None
    if path.stat().st_size > LARGEST:
        raise ConfigError(f"{path} is larger than {LARGEST:,} bytes; a prompt is not.")
    try:
        text = path.read_text(encoding="utf-8").replace("\r\n", "\n")
        content = _parse(text) if path.suffix in TEXT else yaml.safe_load(text)
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read: {str(error).splitlines()[0]}.") from error
    name = path.relative_to(folder).with_suffix("").as_posix()
    return _prompt(path, name, content)


def _parse(text: str) -> dict[str, Any]:
    """Parse a text with optional settings before it, between two lines of three dashes."""
    front = _FRONT.match(text)
    settings = yaml.safe_load(front[1]) if front else {}
    if not isinstance(settings, dict):
        return {"template": text.strip()}
    return {**settings, "template": text[front.end() :].strip() if front else text.strip()}


def _prompt(path: Path, name: str, content: Any) -> Prompt:  # noqa: ANN401
    if not isinstance(content, Mapping) or not ("template" in content) ^ ("messages" in content):
        raise ConfigError(f"{path} must contain either `template:` or `messages:`.")
    unknown = sorted(set(map(str, content)) - set(KNOWN_KEYS))
    if unknown:
        raise ConfigError(f"{path}: the key {unknown[0]!r} is not allowed. Allowed: {', '.join(KNOWN_KEYS)}.")
    messages = content.get("messages", [])
    if not isinstance(messages, list) or not all(_is_message(one) for one in messages):
        raise ConfigError(f"{path}: `messages` is a list, each with `role` and `content`.")
    if not isinstance(content.get("parameters", {}), Mapping):
        raise ConfigError(f"{path}: `parameters` is a mapping, such as {{temperature: 0.2}}.")
    described = json.loads(json.dumps({key: content[key] for key in CONTENT if key in content}, default=str))
    commit, author, at, dirty = last_change(path)
    return replace(
        Prompt(name, described, description=str(content.get("description", ""))),
        commit=commit,
        author=author,
        committed_at=at,
        dirty=dirty,
    )


def _is_message(one: object) -> bool:
    return isinstance(one, Mapping) and {"role", "content"} <= set(one)
