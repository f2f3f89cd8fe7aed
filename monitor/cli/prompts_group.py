"""The command `driftd prompts`: push, list, show, diff, tag."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.load import load
from monitor.cli.options import DEFAULT, AsJson, ConfigFile

prompts = typer.Typer(
    no_args_is_help=True, help="Registry of prompt versions, matched with the prompts in the records."
)
Which = Annotated[
    str, typer.Argument(help="A prompt: NAME (newest version), NAME@3, NAME@TAG, or the first digits of its hash.")
]


@prompts.command("push")
def push(
    folder: Annotated[
        Path, typer.Argument(help="Folder with the prompts; authors and dates come from git if it is a repository.")
    ],
    config: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Store the prompts of a folder in the registry; versions that it has already are skipped.

    Example: driftd prompts push prompts/
    """
    from monitor.cli import prompts as command

    command.push(load(config), folder, as_json=as_json)


@prompts.command("list")
def list_all(config: ConfigFile = DEFAULT, as_json: AsJson = False) -> None:
    """List every version with its traffic, and versions in the records that were never pushed.

    Example: driftd prompts list --json
    """
    from monitor.cli import prompts as command

    command.list_all(load(config), as_json=as_json)


@prompts.command("show")
def show(which: Which, config: ConfigFile = DEFAULT, as_json: AsJson = False) -> None:
    """Print one version of a prompt.

    Example: driftd prompts show support/refund@3
    """
    from monitor.cli import prompts as command

    command.show(load(config), which, as_json=as_json)


@prompts.command("diff")
def diff(old: Which, new: Which, config: ConfigFile = DEFAULT, as_json: AsJson = False) -> None:
    """Print the differences between two versions: author, variables, settings and text.

    Example: driftd prompts diff support/refund@production support/refund
    """
    from monitor.cli import prompts as command

    command.diff(load(config), old, new, as_json=as_json)


@prompts.command("tag")
def tag(
    which: Which,
    name: Annotated[str, typer.Argument(help="Name of the tag, such as production.")],
    config: ConfigFile = DEFAULT,
) -> None:
    """Move a tag to a version.

    Example: driftd prompts tag support/refund@3 production
    """
    from monitor.cli import prompts as command

    command.tag(load(config), which, name)
