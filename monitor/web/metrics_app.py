"""The application of a listener that serves metrics and health only, for `metrics: listen:`."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from monitor.config.models import Config, ConfigError
from monitor.config.operation import MetricsConfig
from monitor.core.clock import Clock
from monitor.store.database import Database
from monitor.web.access import Access, is_loopback, split_listen
from monitor.web.directory import Directory
from monitor.web.health import Health
from monitor.web.permissions import protect
from monitor.web.security import Guard


def create_metrics_app(
    database: Database, config: Config, metrics: MetricsConfig, clock: Clock, health: Health
) -> Starlette:
    """Return the ASGI application.

    Raises
    ------
    ConfigError
        When other machines can reach it, no token is set, and it is not `open`.
    """
    routes = [Route("/healthz", health.alive), Route("/readyz", health.ready), Route("/metrics", health.metrics)]
    if metrics.open:
        return Starlette(routes=routes)
    server = config.server.model_copy(update={"listen": metrics.listen})
    if not (server.requires_login or is_loopback(split_listen(metrics.listen)[0])):
        raise ConfigError(
            f"`metrics: listen:` is {metrics.listen!r}, which other machines can reach, but no token is set. Set "
            "`server: token_file:`, or `metrics: {open: true}` if the network lets only Prometheus reach that port."
        )
    token = server.token.get_secret_value() if server.token else None
    access = Access(server, Directory(database, clock, token, server.auth.oidc))
    return Starlette(routes=protect(routes), middleware=[Middleware(Guard, access=access)])
