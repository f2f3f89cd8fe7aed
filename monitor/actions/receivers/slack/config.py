"""Configuration of Slack receivers."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, SecretStr

from monitor.config.receivers import ReceiverConfig
from monitor.core.operation import Role


class SlackConfig(ReceiverConfig):
    """Posts to a Slack channel, with a bot token that has the scope chat:write."""

    example: ClassVar = {"kind": "slack", "token": "xoxb-1234-abcd", "channel": "#ml-alerts"}
    address_key: ClassVar = "base_url"
    permissions: ClassVar = (
        "The bot token has the scope `chat:write`, and the bot is a member of the channel; for buttons see "
        "[slack.md](slack.md)."
    )

    kind: Literal["slack"]
    """Kind of the receiver."""
    token: SecretStr
    """Bot token with chat:write; `token_file` reads it from a file."""
    channel: str
    """Channel name or id."""
    app_token: SecretStr | None = None
    """App-level token with connections:write: messages get buttons, and presses arrive by Socket Mode."""
    signing_secret: SecretStr | None = None
    """Signing secret of the app: messages get buttons, and presses arrive at `POST /slack/interactions`."""
    users: dict[str, Role] = {}
    """By id or e-mail of a Slack user, what the user may do, such as `{U024BE7LH: responder}`; others may do nothing.
    E-mails need the scopes users:read and users:read.email."""
    groups: dict[Annotated[str, Field(pattern=r"^S[A-Z0-9]+$")], Role] = {}
    """By id of a user group, what its members may do, such as `{S0614TZR7: responder}`; needs the scope
    usergroups:read."""
    charts: bool = False
    """Upload the chart of an incident to the thread of its first message; needs the scope files:write."""
    base_url: str = "https://slack.com/api/"
    """Address of the Slack API."""

    @property
    def is_interactive(self) -> bool:
        """Return whether messages have buttons."""
        return self.app_token is not None or self.signing_secret is not None
