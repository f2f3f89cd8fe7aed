"""Ways out. To add a channel: one file, and one line in `build`."""

from __future__ import annotations

from monitor.channels.base import Channel
from monitor.channels.slack import Slack
from monitor.channels.webhook import Webhook
from monitor.config.models import ActionSpec, Config

__all__ = ["build"]


def build(config: Config) -> dict[str, Channel]:
    """Make the channels of a configuration, by the name that rules use."""
    channels: dict[str, Channel] = {name: _webhook(spec) for name, spec in config.actions.items()}
    if config.slack is not None:
        slack = config.slack
        channels["slack"] = Slack(slack.token.get_secret_value(), slack.channel, slack.base_url)
    return channels


def _webhook(spec: ActionSpec) -> Webhook:
    hook = spec.webhook
    return Webhook(hook.url.get_secret_value(), hook.secret.get_secret_value(), hook.timeout)
