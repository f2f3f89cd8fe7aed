"""MLflow receiver: moves an alias of a registered model back."""

from __future__ import annotations

from typing import ClassVar, cast
from urllib.parse import urlencode

from monitor.actions.receivers.mlflow.config import MlflowConfig
from monitor.actions.receivers.pointer import PointerReceiver
from monitor.actions.receivers.requests import HttpRequest, authorize, make_json_request
from monitor.actions.receivers.rollback import VersionChange


class Mlflow(PointerReceiver):
    """Moves an alias."""

    kind: ClassVar = "mlflow"
    Config: ClassVar = MlflowConfig
    service: ClassVar = "MLflow"

    def __init__(self, config: MlflowConfig) -> None:
        super().__init__(config, f"alias {config.alias}")
        self._config = config
        self._address = f"{config.base_url.rstrip('/')}/api/2.0/mlflow/registered-models/alias"
        self._headers = authorize(config.token, config.username, config.password)

    def make_read(self) -> HttpRequest:
        """Return the request that reads the alias."""
        query = urlencode({"name": self._config.model, "alias": self._config.alias})
        return HttpRequest("GET", f"{self._address}?{query}", self._headers)

    def parse_version(self, answer: dict[str, object]) -> object:
        """Return the version that the alias has."""
        version = answer.get("model_version")
        return cast("dict[str, object]", version).get("version") if isinstance(version, dict) else None

    def make_move(self, change: VersionChange) -> HttpRequest:
        """Return the request that moves the alias."""
        body = {"name": self._config.model, "alias": self._config.alias, "version": change.good}
        return make_json_request("POST", self._address, body, self._headers)
