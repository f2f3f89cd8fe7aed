"""Budgets: what requests cost in a day and a month."""

from __future__ import annotations

from typing import ClassVar

from monitor.checks.base import Check
from monitor.config.checks.base import CheckConfig
from monitor.config.checks.spend import SpendConfig


class Spend(Check[SpendConfig]):
    """Finds nothing in a window: a bucket's bill is compared with its budgets by `of_budgets`, with no baseline."""

    Config: ClassVar[type[CheckConfig]] = SpendConfig
