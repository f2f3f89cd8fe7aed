"""`driftd init`: probe a database, write a first configuration, and say what cannot be watched."""

from __future__ import annotations

import re
import sys
from datetime import timedelta
from pathlib import Path

from pydantic import SecretStr

from monitor.checks.baseline_review import as_setting
from monitor.cli.candidate import candidate_notes, print_baseline_notes
from monitor.cli.config_template import Look, render_config, save, with_baseline
from monitor.cli.factory import open_reader
from monitor.cli.load import load
from monitor.cli.output import echo
from monitor.cli.readiness import print_rows
from monitor.cli.role_inference import guess_roles, guess_time
from monitor.config.load import resolve_url
from monitor.config.models import ConfigError
from monitor.config.presets import PRESETS
from monitor.config.sections import nearest
from monitor.config.source import Source
from monitor.sources.base import Reader
from monitor.sources.connect import connect, connect_and_probe, recognize_presets
from monitor.sources.readiness import future_note, report

PASSWORD = re.compile(r"([^:/]+://[^:/@]+):([^@]+)@(.*)")
"""A URL with a password: what is before it, the password, and what is behind it."""


def write_config(url: str, table: str | None, preset: str | None, where: str | None, out: Path) -> None:
    """Write a configuration that can be run; refuses to replace a file."""
    if out.exists():
        raise ConfigError(f"{out} exists already; name another file with --out.")
    if preset is None and table is None:
        raise ConfigError(f"give --table, or --preset auto, or one of --preset {', '.join(PRESETS)}.")
    if preset not in (None, "auto", *PRESETS):
        known = ["auto", *PRESETS]
        raise ConfigError(
            f"--preset {preset!r} is not known. Allowed: {', '.join(known)}.{nearest(str(preset), known)}"
        )
    if preset is None and where is not None:
        raise ConfigError("--where needs --preset; for a table, create a view instead.")
    if preset == "auto":
        preset, table = _recognise(url)
    if preset is not None:
        told = {"preset": preset, "table": table, "where": where}
        settings: dict[str, object] = {key: value for key, value in told.items() if value is not None}
    else:
        settings = {"table": table, "columns": _probe(url, str(table))}
    # A first look at a large log may take longer than the daemon's reads may.
    source = Source.model_validate({"url": SecretStr(url), "timeout": timedelta(seconds=30), **settings})
    reader, lacking = connect_and_probe(source)
    try:
        columns = reader.describe()
        note = future_note(columns, reader.now())
        look = Look(preset, {"url": _visible(_as_seen_from(out, url)), **settings}, columns, _rows_an_hour(reader))
    finally:
        reader.close()
    name = "".join(c if c.isalnum() else "-" for c in (preset or table or "")).strip("-") or "app"
    text = render_config(name, look)
    save(out, text)
    notes = _with_clean_baseline(out, text, url)
    echo(f"{out} is written; review it, then run `driftd config check --config {out}`.")
    print_baseline_notes({"notes": notes})
    echo("What can be monitored (also shown by `driftd readiness`):")
    print_rows(report(columns, lacking, PRESETS.get(preset or "")), [] if note is None else [note])


def _with_clean_baseline(out: Path, text: str, url: str) -> list[str]:
    """Look at the range of the baseline; where it is unfit, write its longest clean stretch into the file instead."""
    password = PASSWORD.fullmatch(url)
    monitor = load(out, {"DRIFTD_SOURCE_PASSWORD": password.group(2) if password else ""}).monitors[0]
    if sys.stderr.isatty():
        echo("reading the last 14 days, the range of the baseline …", err=True)
    with open_reader(monitor) as reader:
        review, notes = candidate_notes(reader, monitor)
    if review is not None and review.unfit and review.clean:
        out.write_text(with_baseline(text, as_setting(review.clean)), encoding="utf-8")
        notes.append(
            "the file has this stretch for its baseline, and not `rolling: 14d`; change it where you know better"
        )
    return notes


def _recognise(url: str) -> tuple[str, str | None]:
    """Return the only preset whose table is here, and the table's name where it is not the usual one."""
    found, names = recognize_presets(url)
    if len(found) == 1:
        preset, table = found[0]
        echo(f"found {preset}: {PRESETS[preset].about}", err=True)
        return preset, None if table == PRESETS[preset].table else table
    if found:
        listed = ", ".join(f"{preset} ({table})" for preset, table in found)
        raise ConfigError(f"tables of several known tools found: {listed}. Choose one with --preset and --table.")
    listed = ", ".join(names[:20]) or "no table at all"
    raise ConfigError(
        f"no table of a known tool found. Found: {listed}. Name the application's own table with --table."
    )


def _rows_an_hour(reader: Reader) -> float:
    """Return how many records an hour of the newest day had."""
    newest = reader.newest()
    if newest is None:
        return 0.0
    return reader.counts(newest - timedelta(days=1), newest).rows / 24


def _as_seen_from(out: Path, url: str) -> str:
    """Write a relative path of SQLite in full where the file goes to another folder than the working directory."""
    here = Path.cwd()
    return url if out.absolute().parent == here else resolve_url(url, here)


def _visible(url: str) -> str:
    match = PASSWORD.fullmatch(url)
    if match is None:
        return url
    echo("the password is not written to the file; set DRIFTD_SOURCE_PASSWORD where driftd runs.", err=True)
    return f"{match.group(1)}:${{DRIFTD_SOURCE_PASSWORD}}@{match.group(3)}"


def _probe(url: str, table: str) -> dict[str, object]:
    """Guess which columns of a table have which role."""
    source = Source.model_validate({"url": SecretStr(url), "table": table, "columns": {"timestamp": "?"}})
    reader = connect(source.model_copy(update={"columns": {}}))
    try:
        columns = reader.describe()
    finally:
        reader.close()
    time = guess_time(columns)
    if time is None:
        raise ConfigError(
            f"no column of {table!r} looks like a time ({', '.join(c.column for c in columns)}); "
            "write driftd.yaml by hand and map `timestamp`."
        )
    column, spec = time
    return {"timestamp": spec, **guess_roles([one for one in columns if one.column != column])}
