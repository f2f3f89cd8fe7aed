"""The command `driftd prompts`: push, list, show, diff, tag."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.load import load
from monitor.cli.options import DEFAULT, AsJson, ConfigFile

prompts = typer.Typer(no_args_is_help=True, help="Prompts as code: versions with a history, found again in the logs.")
Which = Annotated[str, typer.Argument(help="NAME, NAME@3, NAME@TAG, or the beginning of a hash.")]


@prompts.command("push")
def push(
    folder: Annotated[Path, typer.Argument(help="The folder that holds the prompts, best under git.")],
    config: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Store every prompt of a folder that the registry does not hold yet.

    Example: driftd prompts push prompts/
    """
    from monitor.cli import prompts as command

    command.push(load(config), folder, as_json=as_json)


@prompts.command("list")
def list_all(config: ConfigFile = DEFAULT, as_json: AsJson = False) -> None:
    """List every version with its traffic, and what the logs hold that was never pushed.

    Example: driftd prompts list --json
    """
    from monitor.cli import prompts as command

    command.list_all(load(config), as_json=as_json)


@prompts.command("show")
def show(which: Which, config: ConfigFile = DEFAULT, as_json: AsJson = False) -> None:
    """Print one version.

    Example: driftd prompts show support/refund@3
    """
    from monitor.cli import prompts as command

    command.show(load(config), which, as_json=as_json)


@prompts.command("diff")
def diff(old: Which, new: Which, config: ConfigFile = DEFAULT, as_json: AsJson = False) -> None:
    """Print what changed between two versions: whose they are, variables, settings, words.

    Example: driftd prompts diff support/refund@production support/refund
    """
    from monitor.cli import prompts as command

    command.diff(load(config), old, new, as_json=as_json)


@prompts.command("tag")
def tag(
    which: Which,
    name: Annotated[str, typer.Argument(help="Such as production.")],
    config: ConfigFile = DEFAULT,
) -> None:
    """Let a tag mean this version from now on.

    Example: driftd prompts tag support/refund@3 production
    """
    from monitor.cli import prompts as command

    command.tag(load(config), which, name)
