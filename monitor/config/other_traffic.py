"""Monitors of other traffic: the checks that look at other roles than ``served`` run in a monitor of their own.

So its baseline, incidents and sums are its own, and nothing about it can change what is decided about served traffic.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from monitor.config.checks import CheckConfig
from monitor.config.models import Config, Monitor
from monitor.config.traffic import COLUMN, TrafficRole
from monitor.core.yamlfile import Problem

SERVED: tuple[TrafficRole, ...] = ("served",)
LONGEST_NAME = 63


def divide_by_traffic(config: Config) -> Config:
    """Return the configuration with the monitors of other traffic, each after the one that it is part of."""
    people = [name for name, receiver in config.receivers.items() if receiver.audience == "people"]
    parts = [part for one in config.monitors for part in _divide(one, people)]
    names = [part.name for part in parts]
    monitors = [part.with_muting(replace(part.muting, monitors=names)) for part in parts]
    return config.model_copy(update={"monitors": monitors})


def _divide(monitor: Monitor, people: Collection[str]) -> Iterator[Monitor]:
    groups: dict[tuple[TrafficRole, ...], list[CheckConfig]] = {SERVED: []}
    for check in monitor.checks:
        groups.setdefault(check.roles, []).append(check)
    if len(groups) == 1:
        yield monitor
        return
    yield monitor.model_copy(update={"checks": groups.pop(SERVED)})
    for roles, checks in groups.items():
        yield monitor.of_traffic(roles, checks, people)


def find_problems(where: tuple[str | int, ...], monitor: Monitor, names: Collection[str]) -> Iterator[Problem]:
    """Yield the problems of ``traffic:`` of the checks of a monitor: roles without records, and names of its parts."""
    known = {"served", *(rule.role for rule in monitor.role_rules)}
    for place, check in enumerate(monitor.checks):
        at = (*where, "checks", place, check.kind, "traffic")
        for role in check.traffic:
            if role not in known:
                advice = f"set `traffic: {{{role}: …}}` of the monitor, or map the role `{COLUMN}` under `columns:`"
                yield Problem(at, f"no record of this monitor has the role {role!r}; {advice}.")
        name = f"{monitor.name}.{'-'.join(check.roles)}"
        if check.roles != SERVED and (name in names or len(name) > LONGEST_NAME):
            why = "is taken" if name in names else f"is longer than {LONGEST_NAME} characters"
            yield Problem(at, f"the monitor of this traffic is named {name!r}, which {why}; rename {monitor.name!r}.")
