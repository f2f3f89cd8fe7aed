"""Inspect a database for `driftd init`: detect the log of a supported tool, or infer the columns of a table."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from pydantic import SecretStr

from monitor.cli.config_template import SourceProbe
from monitor.cli.output import echo
from monitor.cli.role_inference import guess_roles, guess_time
from monitor.config.models import ConfigError
from monitor.config.presets import PRESETS
from monitor.config.sections import nearest
from monitor.config.source import Source
from monitor.sources.base import Reader
from monitor.sources.connect import connect, connect_and_probe, recognize_presets
from monitor.sources.readiness import future_note, report


def choose_source(
    url: str, table: str | None, preset: str | None, where: str | None
) -> tuple[str | None, dict[str, object]]:
    """Return the preset, if any, and the settings of the source without its URL."""
    if preset is None and table is None:
        raise ConfigError(f"give --table, or --preset auto, or one of --preset {', '.join(PRESETS)}.")
    if preset not in (None, "auto", *PRESETS):
        allowed = ["auto", *PRESETS]
        raise ConfigError(
            f"--preset {preset!r} is not allowed. Allowed: {', '.join(allowed)}.{nearest(str(preset), allowed)}"
        )
    if preset is None and where is not None:
        raise ConfigError("--where needs --preset; for a table, create a view instead.")
    if preset == "auto":
        preset, table = _recognize(url)
    if preset is None:
        return None, {"table": table, "columns": _guess_columns(url, str(table))}
    settings = {"preset": preset, "table": table, "where": where}
    return preset, {key: value for key, value in settings.items() if value is not None}


def probe_source(url: str, preset: str | None, settings: Mapping[str, object]) -> SourceProbe:
    """Summarize the newest records of a source."""
    # The first read of a large log may take longer than the deadline of the daemon's reads.
    source = Source.model_validate({"url": SecretStr(url), "timeout": timedelta(seconds=30), **settings})
    reader, lacking = connect_and_probe(source)
    try:
        columns = reader.describe()
        note = future_note(columns, reader.now())
        return SourceProbe(
            preset,
            columns,
            _rows_an_hour(reader),
            report(columns, lacking, PRESETS.get(preset or "")),
            [] if note is None else [note],
        )
    finally:
        reader.close()


def _recognize(url: str) -> tuple[str, str | None]:
    """Return the only preset whose table exists, and the table's name if it is not the default."""
    matches, names = recognize_presets(url)
    if len(matches) == 1:
        preset, table = matches[0]
        echo(f"detected {preset}: {PRESETS[preset].about}", err=True)
        return preset, None if table == PRESETS[preset].table else table
    if matches:
        listed = ", ".join(f"{preset} ({table})" for preset, table in matches)
        raise ConfigError(
            f"the database has tables of several supported tools: {listed}. Choose one with --preset and --table."
        )
    listed = ", ".join(names[:20]) or "no table at all"
    raise ConfigError(
        f"the database has no table of a supported tool, but {listed}. Name the application's own table with --table."
    )


def _rows_an_hour(reader: Reader) -> float:
    """Return the number of records per hour of the newest day."""
    newest = reader.newest()
    if newest is None:
        return 0.0
    return reader.counts(newest - timedelta(days=1), newest).rows / 24


def _guess_columns(url: str, table: str) -> dict[str, object]:
    """Infer the roles of the columns of a table."""
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
