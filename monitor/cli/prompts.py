"""`driftd prompts`: what the application says to its models, as versions with a history."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from monitor.cli.factory import open_store
from monitor.cli.output import echo, print_json, print_table
from monitor.config.models import Config, ConfigError
from monitor.config.sections import nearest
from monitor.core.prompts import Prompt, catalogue, describe, difference, find
from monitor.jobs.promptfiles import read_folder
from monitor.store import prompts as registry


def push(config: Config, folder: Path, *, as_json: bool) -> None:
    """Store the prompts of a folder in the registry; versions that it has already are skipped."""
    found = read_folder(folder)
    with open_store(config) as database, database.write() as connection:
        pushed = [registry.push(connection, prompt) for prompt in found]
    if as_json:
        print_json({"prompts": [{**describe(prompt), "new": new} for prompt, new in pushed]})
        return
    for prompt, new in pushed:
        note = " (the file differs from its commit)" if prompt.dirty else ""
        echo(f"{'new ' if new else 'same'}  {prompt.sentence()}{note}")


def list_all(config: Config, *, as_json: bool) -> None:
    """Print every version with its traffic, and prompts in the records that were never pushed."""
    with open_store(config) as database, database.read() as connection:
        known, seen = registry.load_prompts(connection), registry.load_traffic(connection)
    rows = catalogue(known, known, seen)
    if as_json:
        print_json(rows)
        return
    heads = ("prompt", "hash", "tags", "author", "commit", "first seen", "rows")
    listed = [
        [
            f"{one['name']}@{one['version']}",
            one["hash"][:12],
            ", ".join(one["tags"]),
            one["author"],
            one["commit"][:8],
            min((t["first_seen"] for t in one["traffic"]), default=None),
            sum(t["rows"] for t in one["traffic"]),
        ]
        for one in rows["prompts"]
    ]
    print_table(heads, listed, "no prompt has been pushed; start with `driftd prompts push FOLDER`")
    if rows["not_registered"]:
        echo("\nin the records, but never pushed:")
        names = ("monitor", "value", "first_seen", "last_seen", "rows")
        print_table(names, [[one[name] for name in names] for one in rows["not_registered"]], "")


def show(config: Config, which: str, *, as_json: bool) -> None:
    """Print one version, words and all."""
    with open_store(config) as database, database.read() as connection:
        found = _find_prompt(registry.load_prompts(connection, words=False), which)
        prompt = registry.with_words(connection, found)
    if as_json:
        print_json({**describe(prompt), "content": prompt.content})
        return
    echo(f"{prompt.sentence()}, {prompt.hash[:12]}{', ' + ', '.join(prompt.tags) if prompt.tags else ''}")
    echo(f"variables: {', '.join(prompt.variables) or 'none'}\n")
    echo(format_prompt(prompt))


def diff(config: Config, old: str, new: str, *, as_json: bool) -> None:
    """Print the differences between two versions: author, variables, settings and text."""
    with open_store(config) as database, database.read() as connection:
        known = registry.load_prompts(connection, words=False)
        one, other = (registry.with_words(connection, _find_prompt(known, which)) for which in (old, new))
    changed = difference(one, other)
    if as_json:
        print_json(changed)
        return
    echo(f"from {changed['from']}\nto   {changed['to']}")
    if changed["same"]:
        echo(f"{one.label} and {other.label} are identical")
        return
    for word, names in changed["variables"].items():
        if names:
            echo(f"variables {word}: {', '.join(names)}")
    for key, sides in changed["settings"].items():
        echo(f"{key}: {_format_value(sides['from'])} -> {_format_value(sides['to'])}")
    if changed["words"]:
        echo("\n" + "\n".join(changed["words"]))


def _format_value(value: object) -> str:
    return "not set" if value is None else str(value)


def tag(config: Config, which: str, name: str) -> None:
    """Let a tag mean a version."""
    with open_store(config) as database, database.write() as connection:
        prompt = _find_prompt(registry.load_prompts(connection, words=False), which)
        registry.set_tag(connection, prompt, name)
    echo(f"{name} is now {prompt.label}")


def _find_prompt(known: Sequence[Prompt], which: str) -> Prompt:
    found = find(known, which)
    if found is None:
        name, _, wanted = which.partition("@")
        names = sorted({prompt.name for prompt in known})
        if wanted and name in names:
            versions = [prompt for prompt in known if prompt.name == name]
            marks = [str(one.version) for one in versions] + sorted(tag for one in versions for tag in one.tags)
            raise ConfigError(f"{name!r} has no version or tag {wanted!r}. Known: {', '.join(marks)}.")
        listed = f" Known: {', '.join(names)}." if names else " No prompt has been pushed yet."
        raise ConfigError(f"there is no prompt {which!r}.{listed}{nearest(name, names)}")
    return found


def format_prompt(prompt: Prompt) -> str:
    """Return settings and words as they are compared."""
    settings = {key: prompt.content[key] for key in ("model", "parameters") if key in prompt.content}
    head = yaml.safe_dump(settings, sort_keys=True) + "\n" if settings else ""
    return head + prompt.text
