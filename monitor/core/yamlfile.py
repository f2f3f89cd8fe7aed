"""Parse YAML with line numbers, and resolve `${VARIABLE}` and `*_file` secrets."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

Where = tuple[str | int, ...]

SECRET_KEYS = frozenset(
    {
        "token",
        "app_token",
        "signing_secret",
        "secret",
        "url",
        "store",
        "api_key",
        "password",
        "routing_key",
        "secret_key",
        "client_secret",
        "headers",
        "hash_key",
    }
)
"""Keys whose values are not shown in errors."""
FILE_KEYS = SECRET_KEYS - {"headers"} | {"schema"}
"""Keys whose value can be read from a separate file, named by the key with the suffix `_file`."""
MOST_CHARACTERS, MOST_VALUES, DEEPEST = 1_000_000, 100_000, 50
"""Limits of a file: its characters, its values after aliases were expanded, and its levels."""
_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}\n]*))?\}")
_MARK = re.compile("\ue000(\\d+)\ue001")
_QUOTED = re.compile(r"'([^']*)'")


_KINDS = {f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "bool", "timestamp", "null", "binary")}
LONGEST_SHOWN = 60


@dataclass(frozen=True)
class Problem:
    """An error in a configuration file and the path of its key."""

    where: Where
    message: str


class ConfigError(Exception):
    """The configuration is invalid; the message lists every problem, one per line."""


@dataclass(frozen=True)
class Document:
    """Parsed YAML with the line number of every key and item."""

    file: str
    data: object
    lines: Mapping[Where, int]

    def explain(self, problems: list[Problem]) -> ConfigError:
        """Format problems as ``file:line: key: sentence``, in the order of the file."""
        lines = sorted({(self._line(p.where), _path(p.where), p.message) for p in problems})
        return ConfigError("\n".join(f"{self.file}:{line}: {path}: {text}" for line, path, text in lines))

    def _line(self, where: Where) -> int:
        for length in range(len(where), -1, -1):
            if where[:length] in self.lines:
                return self.lines[where[:length]]
        return 1


def _path(where: Where) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in where)
    return text.lstrip(".") or "(top)"


def read(path: Path, environment: Mapping[str, str] | None = None) -> Document:
    """Read a YAML file; variables are taken from ``environment``, by default that of the process."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: there is no such file. Write one with `driftd init`, or name yours with --config FILE."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as UTF-8 text: {error}.") from error
    return parse(text, str(path), os.environ if environment is None else environment, path.parent)


def parse(text: str, file: str, environment: Mapping[str, str], folder: Path) -> Document:
    """Parse YAML text; paths of secret files are relative to ``folder``."""
    reader = _Reader(environment, folder)
    marked = reader.mark(text)
    try:
        _check_size(marked)
        root = yaml.compose(marked, Loader=yaml.SafeLoader)
        data = reader.build(root, ()) if root is not None else {}
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        reason = _QUOTED.sub(_hide_long, str(error.problem))
        raise ConfigError(f"{file}:{line}: (syntax): this is not valid YAML: {reason}.") from None
    except yaml.YAMLError as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"{file}:1: (syntax): this is not valid YAML: {reason}.") from None
    document = Document(file, data, reader.lines)
    if reader.problems:
        raise document.explain(reader.problems)
    return document


def _hide_long(quoted: re.Match[str]) -> str:
    """Return a text in an error of the parser, unless it may be a part of a secret: a character, or a kind of token."""
    text = quoted[1]
    return quoted[0] if len(text) <= 1 or text.startswith("<") else "a name"


def _check_size(text: str) -> None:
    """Refuse a file that is too large or has too many levels, before it is parsed by functions that call themselves."""
    if len(text) > MOST_CHARACTERS:
        raise yaml.YAMLError(f"it has {len(text)} characters; the most are {MOST_CHARACTERS}")
    level = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        level += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if level > DEEPEST:
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise yaml.YAMLError(f"line {line} has more than {DEEPEST} levels")


class _Reader:
    """Builds Python values from YAML nodes and records their line numbers."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self.environment = environment
        self.folder = folder
        self.lines: dict[Where, int] = {}
        self.problems: list[Problem] = []
        self._scalars = yaml.SafeLoader("")
        self._variables: list[re.Match[str]] = []
        self._values = 0
        self._parents: list[yaml.Node] = []

    def mark(self, text: str) -> str:
        """Replace variables by placeholders, since YAML would parse their braces in ``{token: ${X}}``."""

        def note(match: re.Match[str]) -> str:
            self._variables.append(match)
            return f"\ue000{len(self._variables) - 1}\ue001"

        return _VARIABLE.sub(note, text)

    def build(self, node: yaml.Node, where: Where) -> object:
        self.lines.setdefault(where, node.start_mark.line + 1)
        self._values += 1
        if self._values > MOST_VALUES:
            raise yaml.YAMLError(f"its aliases stand for more than {MOST_VALUES} values")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, where)
        if any(node is parent for parent in self._parents):
            self.problems.append(Problem(where, "an alias refers to a part that contains it; write the value itself."))
            return None
        self._parents.append(node)
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, where)
            return [self.build(item, (*where, index)) for index, item in enumerate(node.value)]
        finally:
            self._parents.pop()

    def _mapping(self, node: yaml.MappingNode, where: Where) -> dict[str, object]:
        built: dict[str, object] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(Problem(where, "a key must be a word, not a list or a mapping."))
                continue
            key = str(key_node.value)
            at = (*where, key)
            if key in built:
                self.problems.append(Problem(at, f"duplicate key {key!r}; remove one."))
            self.lines[at] = key_node.start_mark.line + 1
            value = self.build(value_node, at)
            if key == "token" and (value is None or (isinstance(value, str) and not value.strip())):
                self.problems.append(Problem(at, "the token is empty; write it, or set its variable."))
            content = key.removesuffix("_file")
            if content != key and content in FILE_KEYS and isinstance(value, str):
                self.lines[(*where, content)] = self.lines[at]
                built[content] = self._file(value, at)
            else:
                built[key] = value
        return built

    def _file(self, name: str, where: Where) -> str:
        try:
            content = (self.folder / name).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            self.problems.append(Problem(where, f"the file {name!r} cannot be read: {error}."))
            return ""
        if not content:
            self.problems.append(Problem(where, f"the file {name!r} is empty; write the value into it."))
        return content

    def _scalar(self, node: yaml.Node, where: Where) -> object:
        text = str(node.value)
        if not _MARK.search(text):
            try:
                return self._scalars.construct_object(node, deep=True)
            except (yaml.YAMLError, ValueError, AttributeError):  # AttributeError: no date after `!!timestamp`
                kind = str(node.tag).rpartition(":")[2].lstrip("!")
                shown = "the value" if SECRET_KEYS & set(where) else repr(text[:LONGEST_SHOWN])
                reason = f"is no {kind}" if str(node.tag) in _KINDS else "has a tag that driftd does not know"
                self.problems.append(Problem(where, f"{shown} {reason}."))
                return None
        expanded = _MARK.sub(lambda match: self._variable(self._variables[int(match.group(1))], where), text)
        return yaml.safe_load(expanded) if re.fullmatch(r"-?\d+(\.\d+)?|true|false", expanded) else expanded

    def _variable(self, match: re.Match[str], where: Where) -> str:
        name, fallback = match.group(1), match.group(2)
        value: str | None = self.environment.get(name, fallback)
        if value is None:
            self.problems.append(
                Problem(where, f"the environment variable {name} is not set; set it, or write ${{{name}:-default}}.")
            )
            return ""
        return value
