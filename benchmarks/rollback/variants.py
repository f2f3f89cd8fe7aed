"""The variants: what must happen in each, and what must not."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.rollback.servers import Servers
from benchmarks.rollback.stage import Stage, Variant, start_stage
from benchmarks.rollback.timeline import Step, Timeline
from benchmarks.rollback.traffic import ALIAS, BAD
from monitor.store.audit import AuditEntry, load_entries
from tests.support.process import eventually
from tests.support.receiver import Receiver

LIMIT = 300.0
"""Seconds after the first bad record in which all must have happened."""
OUTAGE = timedelta(minutes=2)
STAYS = timedelta(seconds=30)
"""How long it is watched that nothing more happens: two buckets."""
LARGEST_GAP = 10.0
"""Seconds by which driftd's own time to the request may differ from when the alias is seen to be moved."""
VARIANTS = (
    Variant("slack", "approve", press="slack"),
    Variant("browser", "approve", press="browser"),
    Variant("auto", "auto"),
    Variant("storm", "auto", press="slack", monitors=4),
    Variant("down", "auto", outage=True),
    Variant("helpless", "auto", reloads=False),
)


def run(variant: Variant, servers: Servers, folder: Path) -> Timeline:
    """Run a variant."""
    print(f"\n== {variant.name}", flush=True)
    with start_stage(variant, servers, folder) as stage:
        application = stage.application
        if variant.outage:
            stage.proxy.stall()
        swapped = datetime.now(UTC)
        application.swap()
        eventually(lambda: application.first_bad, 30, "the first bad record")
        timeline = Timeline(application.first_bad or swapped, LIMIT)
        timeline.note("first bad record", f"alias {ALIAS} was moved to the bad version", application.first_bad)
        timeline.watch([*list_steps_to_request(stage), *list_steps_after_request(stage)])
        check(stage, timeline)
    return timeline


def list_steps_to_request(stage: Stage) -> list[Step]:
    """Return the steps until the alias is moved back."""
    variant, count = stage.variant, len(stage.monitors)
    steps = [
        Step("pending", lambda: stage.say_incidents("pending", "firing")),
        Step("firing", lambda: stage.say_incidents("firing")),
        Step("Slack message", lambda: stage.say_slack(""), "firing"),
        Step("Prometheus: firing", lambda: stage.say_scraped(count)),
        Step("Alertmanager: active", lambda: stage.say_alerts(ended=False)),
    ]
    before = "Slack message"
    if count > 1:
        before = "still held"
        held = make_wait(lambda: "nothing was sent" if is_untouched(stage) else None)
        steps += [Step("held", stage.say_held), Step(before, held, "held")]
    if variant.press:
        press = stage.press_in_slack if variant.press == "slack" else stage.press_in_browser
        steps.append(Step(f"press in {variant.press}", press, before))
    if variant.outage:
        steps.append(Step("receiver is back", make_end_of_outage(stage), "firing"))
    return [*steps, Step("alias moved back", stage.say_moved)]


def list_steps_after_request(stage: Stage) -> list[Step]:
    """Return the steps after the alias was moved back."""
    if not stage.variant.reloads:
        return [
            Step("not verified", lambda: stage.say_verified("not_verified")),
            Step("escalated to the lead", lambda: list_types(stage.lead), "not verified"),
            Step("not repeated", make_wait(lambda: "no further rollback"), "escalated to the lead"),
        ]
    return [
        Step("first good record", stage.say_first_good),
        Step("verified", lambda: stage.say_verified("verified")),
        Step("resolved", lambda: stage.say_incidents("resolved")),
        Step("Prometheus: resolved", lambda: stage.say_scraped(0), "resolved"),
        Step("Alertmanager: resolved", lambda: stage.say_alerts(ended=True), "resolved"),
        Step("Slack: resolved", lambda: stage.say_slack("resolved"), "resolved"),
    ]


def is_untouched(stage: Stage) -> bool:
    """Return whether no rollback was sent and the alias points at the bad version."""
    return not any(row.attempts for row in stage.list_rollbacks()) and stage.application.read_version() == BAD


def make_wait(look: Callable[[], str | None]) -> Callable[[], str | None]:
    """Return a look that looks at the end of two buckets after it was first called."""
    since: list[datetime] = []

    def wait() -> str | None:
        since.append(datetime.now(UTC))
        return look() if since[-1] - since[0] >= STAYS else None

    return wait


def make_end_of_outage(stage: Stage) -> Callable[[], str | None]:
    """Return a look that ends the outage two minutes after the first request that got no answer."""
    since: list[datetime] = []

    def look() -> str | None:
        if not stage.proxy.keeps_back.is_set():
            return None
        since.append(datetime.now(UTC))
        if since[-1] - since[0] < OUTAGE:
            return None
        stage.proxy.resume()
        return f"{OUTAGE.total_seconds():g} s after the first request without an answer"

    return look


def list_types(receiver: Receiver) -> str | None:
    """Return the types of the messages to a webhook."""
    return ", ".join(str(json.loads(request.body)["type"]) for request in receiver.requests) or None


def check(stage: Stage, timeline: Timeline) -> None:
    """Check what must hold at the end."""
    variant, rollbacks = stage.variant, stage.list_rollbacks()
    sent = [row for row in rollbacks if row.state == "delivered"]
    states = [f"{row.state} ({row.reason})" for row in rollbacks]
    timeline.expect(len(rollbacks) == len(stage.monitors), f"rollbacks of {len(stage.monitors)} monitors: {states}")
    timeline.expect(len(sent) == 1, f"one rollback is sent, not {len(sent)}: {states}")
    for row in sent:
        moved, own = timeline.seconds.get("alias moved back"), row.reaction_seconds
        timeline.expect(moved is not None and own is not None, "the time of the request is unknown")
        if moved is not None and own is not None:
            print(f"driftd's own time to the request: {own:.1f} s, attempts: {row.attempts}")
            gap = abs(own - moved)
            timeline.expect(variant.outage or gap < LARGEST_GAP, f"its time to the request is wrong by {gap:.1f} s")
        timeline.expect(row.attempts > 1 or not variant.outage, "the outage ended before the first attempt")
    timeline.expect(not stage.application.errors, f"the application failed: {stage.application.errors[:3]}")
    timeline.expect(not stage.slack.refusals, f"Slack refused: {stage.slack.refusals}")
    timeline.expect(not stage.slack.late, f"Slack got late acknowledgements: {stage.slack.late}")
    with stage.database.read() as connection:
        approvals = [one for one in load_entries(connection) if is_approval(one)]
    channels = [str(one.channel) for one in approvals]
    expected = {"": [], "slack": ["slack"], "browser": ["web"]}[variant.press]
    timeline.expect(channels == expected, f"approvals in the audit log: {channels} instead of {expected}")


def is_approval(entry: AuditEntry) -> bool:
    """Return whether an entry of the audit log is an approval that was performed."""
    return entry.operation == "approve" and entry.result == "done"
