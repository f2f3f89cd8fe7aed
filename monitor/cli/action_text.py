"""Texts about one action: its state, target and evidence, what people did about it, and its request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from monitor.actions.receivers.base import RequestPreview
from monitor.alerting.messages.causes import describe_target
from monitor.cli.output import echo, print_table
from monitor.core.action import label_state
from monitor.core.operation import AuditEntry
from monitor.core.payload import EventData
from monitor.store.rows import ActionRow

DELIVERY = ("fence", "owner", "lease_until")
"""Fields that only the delivery needs."""


def list_fields(row: ActionRow) -> dict[str, object]:
    """Return the fields of an action that are shown."""
    return {name: value for name, value in vars(row).items() if name not in DELIVERY}


def print_action(row: ActionRow, request: RequestPreview | None, entries: Sequence[AuditEntry]) -> None:
    """Print an action for people."""
    for line in describe_action(row, [entry.by for entry in entries if _is_approval(entry)]):
        echo(line)
    heads = ("at", "by", "verified", "channel", "operation", "result", "reason")
    print_table(heads, [[getattr(entry, head) for head in heads] for entry in entries], "nobody did anything about it")
    print_request(request)


def describe_action(row: ActionRow, approvers: Sequence[str]) -> Iterator[str]:
    """Yield lines with what an action is, and how far it is."""
    data: EventData = row.payload.get("data") or {}
    ended = f" at {row.finished_at:%Y-%m-%d %H:%M:%S} UTC" if row.finished_at else ""
    yield f"{row.kind} {row.name}: {label_state(row.state)}{ended}"
    yield f"id {row.id}, incident {row.incident}, monitor {row.monitor or '-'}, mode {row.mode}"
    expires = f", expires at {row.not_after:%Y-%m-%d %H:%M:%S} UTC" if row.not_after else ""
    yield f"planned at {row.created_at:%Y-%m-%d %H:%M:%S} UTC{expires}, attempts {row.attempts}"
    if row.reason:
        yield f"reason: {row.reason}"
    if row.dry_run:
        yield "dry run: nothing is sent"
    if target := describe_target(data.get("target")):
        observed = ", ".join(f"{role} {value!r}" for role, value in (data.get("observed_version") or {}).items())
        yield f"target: {target}{f', instead of {observed}' if observed else ''}"
    if headline := data.get("headline"):
        yield f"evidence: {headline}"
    for finding in data.get("findings") or ():
        yield f"  {finding['check']} {finding['column'] or ''}: {finding['reason']}".replace(" :", ":")
    if (needed := data.get("approvals")) is not None and row.mode == "approve":
        names = ", ".join(dict.fromkeys(approvers))
        yield f"approvals: {len(set(approvers))} of {needed}{f', by {names}' if names else ''}"


def print_request(request: RequestPreview | None) -> None:
    """Print the request that sends an action, without secrets."""
    if request is None:
        echo("request: its receiver is not configured")
        return
    echo(f"request: {request.method} {request.url}".rstrip() if request.method else "request: nothing would be sent")
    if request.note:
        echo(f"  {request.note}")
    for name, value in request.headers.items():
        echo(f"  {name}: {value}")
    if request.body:
        echo(f"  {request.body}")


def _is_approval(entry: AuditEntry) -> bool:
    return (entry.operation, entry.result) == ("approve", "done")
