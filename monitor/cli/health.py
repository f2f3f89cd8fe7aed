"""`driftd health`: check that the daemon answers. A container runs it every few seconds, so it imports little."""

from __future__ import annotations

from contextlib import closing
from http.client import HTTPConnection, HTTPException  # its import takes a tenth of the time of httpx
from typing import Annotated

import typer

from monitor.cli.output import echo

SECONDS = 3


def health(
    listen: Annotated[str, typer.Option(help="Address of the daemon, HOST:PORT.")] = "127.0.0.1:9478",
    tls: Annotated[
        bool, typer.Option("--tls", envvar="DRIFTD_TLS", help="Use TLS; the certificate is not verified.")
    ] = False,
) -> int:
    """Exit 0 if the daemon on this host answers; for container health checks.

    Example: driftd health --listen 127.0.0.1:9478
    """
    try:
        with closing(_connect_by_tls(listen) if tls else HTTPConnection(listen, timeout=SECONDS)) as connection:
            connection.request("GET", "/healthz")
            response = connection.getresponse()
            status, text = response.status, response.read(1000).decode("utf-8", "replace").strip()
    except (OSError, HTTPException) as error:
        echo(f"no answer from {listen}: {type(error).__name__}", err=True)
        return 1
    if 200 <= status < 300:  # noqa: PLR2004  (2xx)
        return 0
    echo(f"{listen} answers with status {status}{f': {text}' if text else ''}", err=True)
    return 1


def _connect_by_tls(listen: str) -> HTTPConnection:
    """Return a connection by TLS; the name in the certificate is that of the outside, not that of this host."""
    import ssl
    from http.client import HTTPSConnection

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return HTTPSConnection(listen, timeout=SECONDS, context=context)
