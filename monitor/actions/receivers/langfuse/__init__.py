"""Langfuse receiver: moves a label of a prompt back."""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import quote, urlencode

from monitor.actions.receivers.langfuse.config import LangfuseConfig
from monitor.actions.receivers.pointer import PointerReceiver
from monitor.actions.receivers.requests import HttpRequest, authorize, make_json_request
from monitor.actions.receivers.rollback import VersionChange


class Langfuse(PointerReceiver):
    """Moves a label."""

    kind: ClassVar = "langfuse"
    Config: ClassVar = LangfuseConfig
    service: ClassVar = "Langfuse"
    longest_answer: ClassVar = 4 * 1024 * 1024  # it contains the prompt

    def __init__(self, config: LangfuseConfig) -> None:
        super().__init__(config, f"label {config.label}")
        self._config = config
        self._address = f"{config.base_url.rstrip('/')}/api/public/v2/prompts/{quote(config.prompt, safe='')}"
        self._headers = authorize(None, config.public_key, config.secret_key)

    def make_read(self) -> HttpRequest:
        """Return the request that reads the version with the label."""
        return HttpRequest("GET", f"{self._address}?{urlencode({'label': self._config.label})}", self._headers)

    def parse_version(self, answer: dict[str, object]) -> object:
        """Return the version that has the label."""
        return answer.get("version")

    def make_move(self, change: VersionChange) -> HttpRequest:
        """Return a request that adds the label to the good version, which takes it away from all others."""
        body = {"newLabels": [self._config.label]}
        return make_json_request("PATCH", f"{self._address}/versions/{change.good}", body, self._headers)
