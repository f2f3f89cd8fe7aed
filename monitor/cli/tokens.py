"""`driftd tokens`: named tokens of people and machines."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from monitor.cli.connections import open_store
from monitor.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigOption,
    Person,
    Reason,
    command_group,
    duration_option,
    expand_options,
)
from monitor.cli.output import echo, print_json, print_table
from monitor.cli.perform import perform_as_user
from monitor.config.models import ConfigError
from monitor.core.access_token import SCOPES, hash_secret, new_secret
from monitor.core.operation import ROLES, CreateToken, RevokeToken
from monitor.store.tokens import list_tokens

tokens = command_group()
LISTED_BY = "driftd tokens list"


@tokens.command("create")
@expand_options
def create(
    name: Annotated[str, typer.Argument(help="Name of the person or machine, stored with what it does.")],
    person: Person,
    role: Annotated[str | None, typer.Option(help=f"Role of a person: {', '.join(ROLES)}.")] = None,
    scope: Annotated[
        list[str] | None, typer.Option(help=f"What a machine may do: {', '.join(SCOPES)}; may be given several times.")
    ] = None,
    expires: Annotated[
        timedelta | None, duration_option("Time after which it expires, such as 90d.", "--expires")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Create a token and print it once; only its hash is stored.

    Example: driftd tokens create ann --role responder --expires 90d
    """
    if role is not None and role not in ROLES:
        raise ConfigError(f"--role {role!r} is not allowed. Allowed: {', '.join(ROLES)}.")
    wrong = [one for one in scope or () if one not in SCOPES]
    if wrong:
        raise ConfigError(f"--scope {wrong[0]!r} is not allowed. Allowed: {', '.join(SCOPES)}.")
    secret = new_secret()
    wanted = CreateToken(name, hash_secret(secret), role, tuple(scope or ()), expires)
    perform_as_user(config, wanted, person, LISTED_BY)
    echo(secret)
    if not config.server.requires_login:
        echo("The server of this configuration lets everyone in; set `server: auth: {required: true}`.", err=True)


@tokens.command("list")
def list_all(config: ConfigOption = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """List tokens without their secrets.

    Example: driftd tokens list
    """
    with open_store(config) as database, database.read() as connection:
        rows = list_tokens(connection)
    if as_json:
        print_json(rows)
        return
    heads = ("name", "role", "scopes", "created_at", "created_by", "expires_at", "revoked_at", "last_used_at")
    cells = [
        [" ".join(row.scopes) or None if head == "scopes" else getattr(row, head) for head in heads] for row in rows
    ]
    print_table(heads, cells, "no tokens")


@tokens.command("revoke")
@expand_options
def revoke(
    name: Annotated[str, typer.Argument(help="Name of the token.")],
    person: Person,
    reason: Reason = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Revoke a token, and end its sessions; running servers follow within ten seconds.

    Example: driftd tokens revoke ann
    """
    perform_as_user(config, RevokeToken(name, reason=reason), person, LISTED_BY)
    echo(f"the token {name} is revoked")
