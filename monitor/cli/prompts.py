"""`driftd prompts`: the registry of prompt versions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
import yaml

from monitor.cli.connections import open_store
from monitor.cli.options import DEFAULT_CONFIG, AsJson, ConfigOption, command_group
from monitor.cli.output import echo, print_json, print_table
from monitor.config.models import ConfigError
from monitor.config.sections import nearest
from monitor.core.prompts import Prompt, catalogue, describe, difference, find
from monitor.jobs.promptfiles import read_folder
from monitor.store import prompts as registry

prompts = command_group()
Which = Annotated[
    str, typer.Argument(help="A prompt: NAME (newest version), NAME@3, NAME@TAG, or the first digits of its hash.")
]


@prompts.command("push")
def push(
    folder: Annotated[
        Path, typer.Argument(help="Folder with the prompts; authors and dates come from git if it is a repository.")
    ],
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Store the prompts of a folder in the registry; versions that it has already are skipped.

    Example: driftd prompts push prompts/
    """
    files = read_folder(folder)
    with open_store(config) as database, database.write() as connection:
        pushed = [registry.push(connection, prompt) for prompt in files]
    if as_json:
        print_json({"prompts": [{**describe(prompt), "new": new} for prompt, new in pushed]})
        return
    for prompt, new in pushed:
        note = " (the file differs from its commit)" if prompt.dirty else ""
        echo(f"{'new ' if new else 'same'}  {prompt.sentence()}{note}")


@prompts.command("list")
def list_versions(config: ConfigOption = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """List every version with its traffic, and versions in the records that were never pushed.

    Example: driftd prompts list --json
    """
    with open_store(config) as database, database.read() as connection:
        versions, traffic = registry.load_prompts(connection), registry.load_traffic(connection)
    rows = catalogue(versions, versions, traffic)
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


@prompts.command("show")
def show(which: Which, config: ConfigOption = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Print one version of a prompt.

    Example: driftd prompts show support/refund@3
    """
    with open_store(config) as database, database.read() as connection:
        prompt = registry.with_words(connection, _find_prompt(registry.load_prompts(connection, words=False), which))
    if as_json:
        print_json({**describe(prompt), "content": prompt.content})
        return
    echo(f"{prompt.sentence()}, {prompt.hash[:12]}{', ' + ', '.join(prompt.tags) if prompt.tags else ''}")
    echo(f"variables: {', '.join(prompt.variables) or 'none'}\n")
    echo(format_prompt(prompt))


@prompts.command("diff")
def diff(old: Which, new: Which, config: ConfigOption = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Print the differences between two versions: author, variables, settings and text.

    Example: driftd prompts diff support/refund@production support/refund
    """
    with open_store(config) as database, database.read() as connection:
        versions = registry.load_prompts(connection, words=False)
        one, other = (registry.with_words(connection, _find_prompt(versions, which)) for which in (old, new))
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


@prompts.command("tag")
def tag(
    which: Which,
    name: Annotated[str, typer.Argument(help="Name of the tag, such as production.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Move a tag to a version.

    Example: driftd prompts tag support/refund@3 production
    """
    with open_store(config) as database, database.write() as connection:
        prompt = _find_prompt(registry.load_prompts(connection, words=False), which)
        registry.set_tag(connection, prompt, name)
    echo(f"{name} is now {prompt.label}")


def _find_prompt(versions: Sequence[Prompt], which: str) -> Prompt:
    prompt = find(versions, which)
    if prompt is None:
        name, _, wanted = which.partition("@")
        names = sorted({prompt.name for prompt in versions})
        if wanted and name in names:
            same_name = [prompt for prompt in versions if prompt.name == name]
            marks = [str(one.version) for one in same_name] + sorted(tag for one in same_name for tag in one.tags)
            raise ConfigError(f"{name!r} has no version or tag {wanted!r}. Known: {', '.join(marks)}.")
        listed = f" Known: {', '.join(names)}." if names else " No prompt has been pushed yet."
        raise ConfigError(f"there is no prompt {which!r}.{listed}{nearest(name, names)}")
    return prompt


def format_prompt(prompt: Prompt) -> str:
    """Return the settings and the text of a prompt as one text, for comparison."""
    settings = {key: prompt.content[key] for key in ("model", "parameters") if key in prompt.content}
    head = yaml.safe_dump(settings, sort_keys=True) + "\n" if settings else ""
    return head + prompt.text
