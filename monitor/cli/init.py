"""`driftd init`: inspect a database, write a first configuration, and list what cannot be monitored."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.baseline_notes import print_baseline_notes
from monitor.cli.config_template import render_config, save
from monitor.cli.first_baseline import with_clean_baseline
from monitor.cli.options import DEFAULT_CONFIG
from monitor.cli.output import echo
from monitor.cli.readiness import print_capabilities
from monitor.cli.source_probe import choose_source, probe_source
from monitor.config.load import resolve_url
from monitor.config.models import ConfigError
from monitor.config.presets import PRESETS

PASSWORD = re.compile(r"([^:/]+://[^:/@]+):([^@]+)@(.*)")
"""A URL with a password: the part before it, the password, and the part after it."""


def init(
    url: Annotated[str, typer.Option(help="The database that the application logs to.")],
    table: Annotated[
        str | None,
        typer.Option(
            help="The table or view to read; with --preset, only when its name differs from the tool's default."
        ),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help=f"Format of a supported tool: {', '.join(PRESETS)}; auto detects it.")
    ] = None,
    where: Annotated[str | None, typer.Option(help="SQL condition that selects rows; only with --preset.")] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Write the configuration to this file.")] = DEFAULT_CONFIG,
) -> None:
    """Inspect a database, write a first driftd.yaml for its table, and list what cannot be monitored.

    Example: driftd init --url postgresql://reader@logs/litellm --preset auto
    """
    if out.exists():
        raise ConfigError(f"{out} exists already; name another file with --out.")
    preset, settings = choose_source(url, table, preset, where)
    probe = probe_source(url, preset, settings)
    name = "".join(c if c.isalnum() else "-" for c in str(preset or settings["table"])).strip("-") or "app"
    text = render_config(name, {"url": _visible(_as_seen_from(out, url)), **settings}, probe)
    save(out, text)
    password = PASSWORD.fullmatch(url)
    hashed, notes = with_clean_baseline(out, text, password.group(2) if password else "", probe.columns)
    echo(f"{out} is written; review it, then run `driftd config check --config {out}`.")
    for note in hashed:
        echo(note)
    print_baseline_notes({"notes": notes})
    echo("What can be monitored (also shown by `driftd readiness`):")
    print_capabilities(probe.capabilities, probe.notes)


def _as_seen_from(out: Path, url: str) -> str:
    """Make a relative SQLite path absolute if the file is written outside of the working directory."""
    here = Path.cwd()
    return url if out.absolute().parent == here else resolve_url(url, here)


def _visible(url: str) -> str:
    match = PASSWORD.fullmatch(url)
    if match is None:
        return url
    echo("the password is not written to the file; set DRIFTD_SOURCE_PASSWORD where driftd runs.", err=True)
    return f"{match.group(1)}:${{DRIFTD_SOURCE_PASSWORD}}@{match.group(3)}"
