"""Configuration of Slack receivers."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import SecretStr

from monitor.config.receivers import ReceiverConfig


class SlackConfig(ReceiverConfig):
    """Posts to a Slack channel, with a bot token that has the scope chat:write."""

    example: ClassVar = {"kind": "slack", "token": "xoxb-1234-abcd", "channel": "#ml-alerts"}
    address_key: ClassVar = "base_url"
    permissions: ClassVar = "The bot token has the scope `chat:write`, and the bot is a member of the channel."

    kind: Literal["slack"]
    """Kind of the receiver."""
    token: SecretStr
    """Bot token with chat:write; `token_file` reads it from a file."""
    channel: str
    """Channel name or id."""
    base_url: str = "https://slack.com/api/"
    """Address of the Slack API."""
