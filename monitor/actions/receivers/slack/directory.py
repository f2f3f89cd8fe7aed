"""Roles of Slack users: by id, by e-mail, or by user group; what Slack is asked is kept for five minutes."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from monitor.actions.receivers.base import Deadline, NotDelivered
from monitor.actions.receivers.slack.config import SlackConfig
from monitor.core.operation import ROLES, Role

KEPT = timedelta(minutes=5)
"""Time for which an answer of Slack is kept."""
MOST_KEPT = 10_000
USER, GROUP = "users.info", "usergroups.users.list"
SCOPES: Mapping[str, str] = {USER: "users:read and users:read.email", GROUP: "usergroups:read"}


class Reads(Protocol):
    """What reads with a method of Slack."""

    def read(self, method: str, values: Mapping[str, str], deadline: Deadline) -> Mapping[str, object]:
        """Return the answer; raises :class:`NotDelivered`."""


class UnknownRole(Exception):  # noqa: N818
    """Slack could not be asked for the role of a user; the message says why, and what to do."""


class RoleDirectory:
    """Finds the role of a user.

    An id in `users:` takes precedence over e-mails and groups; of these, the highest role counts.
    """

    def __init__(self, config: SlackConfig, reads: Reads) -> None:
        self._ids = {key: role for key, role in config.users.items() if "@" not in key}
        self._emails = {key.casefold(): role for key, role in config.users.items() if "@" in key}
        self._groups = config.groups
        self._reads = reads
        self._kept: dict[tuple[str, str], tuple[datetime, Sequence[str]]] = {}
        self._lock = threading.Lock()

    def find_role(self, user: str, deadline: Deadline) -> Role | None:
        """Return the role of a user; None if the configuration gives none.

        Raises
        ------
        UnknownRole
            If Slack did not say who the user is, or who is in a group, and no other entry gives a role.
        """
        if user in self._ids:
            return self._ids[user]
        roles: list[Role] = []
        failure: UnknownRole | None = None
        try:
            if self._emails:
                roles += [self._emails[email] for email in self._ask(USER, user, deadline) if email in self._emails]
        except UnknownRole as error:
            failure = error
        for group, role in self._groups.items():
            try:
                roles += [role] if user in self._ask(GROUP, group, deadline) else []
            except UnknownRole as error:
                failure = error
        if not roles and failure is not None:
            raise failure
        return max(roles, key=ROLES.index, default=None)

    def _ask(self, method: str, key: str, deadline: Deadline) -> Sequence[str]:
        """Return the e-mail of a user, or the members of a group."""
        with self._lock:
            asked_at, values = self._kept.get((method, key), (None, ()))
        if asked_at is not None and deadline.started_at - asked_at < KEPT:
            return values
        try:
            answer = self._reads.read(method, {"user" if method == USER else "usergroup": key}, deadline)
        except NotDelivered as failure:
            why = failure.result.detail or failure.result.reason
            raise UnknownRole(f"Slack did not answer {method} ({why}); it needs the scope {SCOPES[method]}") from None
        values = _read_email(answer) if method == USER else _read_members(answer)
        with self._lock:
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[method, key] = (deadline.started_at, values)
        return values


def _read_email(answer: Mapping[str, object]) -> Sequence[str]:
    """Return the e-mail of a user who is a member of the workspace, and neither a guest, a bot nor deleted."""
    user = answer.get("user")
    if not isinstance(user, Mapping):
        return ()
    if any(user.get(name) for name in ("deleted", "is_bot", "is_restricted", "is_ultra_restricted", "is_stranger")):
        return ()
    profile = user.get("profile")
    email = profile.get("email") if isinstance(profile, Mapping) else None
    return (email.casefold(),) if isinstance(email, str) and email else ()


def _read_members(answer: Mapping[str, object]) -> Sequence[str]:
    users = answer.get("users")
    return [one for one in users if isinstance(one, str)] if isinstance(users, list) else []
