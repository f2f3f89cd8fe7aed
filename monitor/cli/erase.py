"""`driftd erase`: erase what the store has about a record, a tenant or another value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from detectors.binning import category
from monitor.actions.breaker_values import budget_column
from monitor.cli.connections import open_store
from monitor.cli.options import DEFAULT_CONFIG, AsJson, ConfigOption, Person, Reason, expand_options
from monitor.cli.output import echo, print_json, print_table
from monitor.cli.perform import perform_as_user
from monitor.config.models import Config, ConfigError
from monitor.core.operation import Erase
from monitor.sources.protection import Protection
from monitor.store.erasure import ErasedValue, clean_file
from monitor.store.erasure import erase as erase_value


@dataclass(frozen=True, kw_only=True)
class What:
    """The value to erase."""

    record: Annotated[str | None, typer.Option("--id", help="Id of a record.")] = None
    tenant: Annotated[str | None, typer.Option(help="Value of the column `tenant`, or of --column, or its hash.")] = (
        None
    )
    column: Annotated[
        str, typer.Option(help="Column of the value of --tenant, by its role or name, such as `user`.")
    ] = "tenant"


@expand_options
def erase(
    what: What,
    person: Person,
    *,
    reason: Reason = "",
    yes: Annotated[bool, typer.Option("--yes", help="Erase; without it, rows are only counted.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> int:
    """Erase what driftd's own database has about a value, as it is and as its hash, in all monitors.

    Delete the records in the source first, since buckets that are computed again store what they read. Exit code 0 if
    the store has nothing about the value any more, 1 without --yes if it has something, 2 if it could not be erased.

    Example: driftd erase --tenant jane@example.com --reason "request of 30 November" --yes
    """
    value = _find_value(config, what)
    with open_store(config) as database:
        counts = erase_value(database, value, is_trial=True).to_json()
        if yes:
            perform_as_user(config, Erase(value.column, counts, reason=reason), person, "driftd audit")
            counts = erase_value(database, value, is_trial=False).to_json()
        is_clean = not yes or clean_file(database)
    _print(counts, value.column, as_json=as_json, erased=yes, is_clean=is_clean)
    if not is_clean:
        return 2
    return 1 if counts and not yes else 0


def _find_value(config: Config, what: What) -> ErasedValue:
    if (what.record is None) == (what.tenant is None):
        raise ConfigError("name one value: --id ID for a record, or --tenant VALUE, with --column for another column.")
    column, value = ("id", what.record) if what.record is not None else (what.column, what.tenant)
    written = category(value)
    forms = {written, *(Protection.of(monitor).pseudonym(written) for monitor in config.monitors)}
    breakers = {spec.name for one in config.monitors for spec in one.breakers if budget_column(one, spec) == column}
    return ErasedValue(column, frozenset(forms), frozenset(breakers))


def _print(counts: dict[str, dict[str, int]], column: str, *, as_json: bool, erased: bool, is_clean: bool) -> None:
    if as_json:
        print_json({"column": column, "erased": erased, "file_is_clean": is_clean, "rows": counts})
        return
    rows = [[kind, count["deleted"], count["rewritten"]] for kind, count in counts.items()]
    print_table(("kind", "deleted", "rewritten"), rows, "the store has nothing about this value")
    if counts and not erased:
        echo("Nothing was erased; add --yes. Restart driftd afterwards, which has baselines in memory.")
    if not is_clean:
        echo(
            "Deleted rows may be left in the file, since it is in use or the disk is full: stop driftd, and repeat.",
            err=True,
        )
