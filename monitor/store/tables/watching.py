"""Our tables of buckets, baselines, findings, incidents and actions."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, Index, Integer, LargeBinary, String, Table, Text, false

from monitor.store.types import Json, Utc, metadata

spans = Table(
    "spans",
    metadata,
    Column("monitor", String(63), primary_key=True),
    Column("kind", String(16), primary_key=True),  # live, baseline, backfill
    Column("start", Utc, primary_key=True),
    Column("end", Utc),  # null: open
    Column("next", Utc, nullable=False),  # every bucket before it is finished
    comment="stretches of time whose buckets must each end as done, inconclusive or failed",
)

buckets = Table(
    "buckets",
    metadata,
    Column("monitor", String(63), primary_key=True),
    Column("start", Utc, primary_key=True),
    Column("state", String(16), nullable=False),  # claimed, finished, stale
    Column("fence", Integer, nullable=False),
    Column("owner", String(128)),
    Column("lease_until", Utc),
    Column("attempts", Integer, nullable=False, default=0),  # since the last result, without those that errors ended
    # of the source or of this database
    Column("retries", Integer, nullable=False, server_default="0"),  # times that it was returned since the last result
    Column("next_attempt_at", Utc),  # null: at once
    Column("revision", Integer, nullable=False, default=0),
    Column("result", String(16)),  # done, inconclusive, failed
    Column("reason", String(512)),  # of the result, or why it was returned
    Column("source_rows", Integer),
    Column("source_compared", Integer),  # records of unserved arms, which only comparisons count
    Column("source_labels", Integer),
    Column("source_feedback", Integer),
    Column("audits", Integer, nullable=False, default=0),
    Column("recount", Boolean, nullable=False, server_default=false()),  # stale: only its comparisons are counted again
    Column("usage", Json),  # usage of the window that ends with it, by segment
    Column("finished_at", Utc),
    Index(None, "monitor", "state", "start"),
    comment="one row a bucket: who works on it, and how it ended",
)

aggregates = Table(
    "aggregates",
    metadata,
    Column("monitor", String(63), primary_key=True),
    Column("kind", String(16), primary_key=True),  # of monitor.core.aggregate.KINDS
    Column("name", String(128), primary_key=True),  # which of its kind: an experiment, a signal; else empty
    Column("start", Utc, primary_key=True),
    Column("definition", String(32), nullable=False),  # only aggregates of the same definition can be added
    Column("data", LargeBinary, nullable=False),
    comment="what the records of a bucket (of savings: of a day) come to; computed again, it is replaced",
)

baselines = Table(
    "baselines",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("monitor", String(63), nullable=False, index=True),
    Column("definition", String(32), nullable=False),  # fingerprint of its configuration
    Column("state", String(16), nullable=False),  # learning, active, retired
    Column("layout", String(32), nullable=False),
    Column("start", Utc),
    Column("end", Utc),
    Column("rows", Integer, nullable=False, default=0),
    Column("layouts", LargeBinary, nullable=False),
    Column("profiles", LargeBinary),
    Column("facts", Json),
    Column("calibrated", String(32)),  # fingerprint of the settings of its calibration
    Column("calibration", Json),
    Column("slots", LargeBinary),  # seasonal references
    Column("created_at", Utc, nullable=False),
)

findings = Table(
    "findings",
    metadata,
    Column("monitor", String(63), primary_key=True),
    Column("start", Utc, primary_key=True),
    Column("key", String(512), primary_key=True),
    Column("check", String(32), nullable=False),
    Column("column", String(128)),
    Column("method", String(32), nullable=False),
    Column("segment", String(256)),
    Column("status", String(16), nullable=False),
    Column("reason", String(512), nullable=False),
    Column("statistic", Float),
    Column("threshold", Float),
    Column("p_value", Float),
    Column("q_value", Float),
    Column("n_baseline", Integer, nullable=False),
    Column("n_window", Integer, nullable=False),
    Column("about", String(8), nullable=False),
    Column("unit", String(32), nullable=False),
    Column("direction", String(8), nullable=False, server_default="worse"),  # better, worse, neutral
    Column("detail", Json),
)

incidents = Table(
    "incidents",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("monitor", String(63), nullable=False),
    Column("rule", String(128), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("state", String(16), nullable=False),  # pending, firing, resolved
    Column("opened_at", Utc, nullable=False),
    Column("fired_at", Utc),
    Column("resolved_at", Utc),
    Column("updated_at", Utc, nullable=False),
    Column("notified_at", Utc),
    Column("bad", Integer, nullable=False),
    Column("clean", Integer, nullable=False),
    Column("reason", String(512), nullable=False),
    Column("evidence", Json, nullable=False),  # findings that rose together, each with its worst value
    Column("suspected_change", Json),
    Column("suspects", Json, nullable=False, server_default="[]"),  # candidate causes, the most likely first
    Column("changes", Json, nullable=False, server_default="[]"),  # announced changes, oldest first
    Column("moved", Integer, nullable=False, server_default="0"),
    Column("group", Text, nullable=False, server_default="traffic"),
    Column("rules", Json, nullable=False, server_default="{}"),  # how far each rule is that has a part in it
    Index(None, "monitor", "state"),
    Index(None, "state", "monitor", "fired_at"),
)

transitions = Table(
    "transitions",
    metadata,
    Column("incident", String(36), primary_key=True),
    Column("at", Utc, primary_key=True),
    Column("state", String(16), primary_key=True),
    Column("reason", String(512), nullable=False),
)

actions = Table(
    "actions",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("monitor", String(63), nullable=False),
    Column("incident", String(36), nullable=False, index=True),
    Column("name", String(128), nullable=False),
    Column("kind", String(16), nullable=False),  # rollback, retrain, notify, firing, update, resolved
    Column("mode", String(16), nullable=False),
    Column("state", String(24), nullable=False),
    Column("reason", String(512), nullable=False, default=""),
    Column("payload", Json, nullable=False),
    Column("dry_run", Boolean, nullable=False, default=False),
    Column("created_at", Utc, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("not_after", Utc),
    Column("next_attempt_at", Utc),
    Column("attempts", Integer, nullable=False, default=0),
    Column("fence", Integer, nullable=False, default=0),
    Column("owner", String(128)),
    Column("lease_until", Utc),
    Column("receipt", Json),
    Column("finished_at", Utc),
    Column("reaction_seconds", Float),  # from the first bad record to the request of an effect
    Column("verification", Json),  # how the findings are on the traffic after an effect
    Column("digest", String(36), index=True),  # id of the action that it is sent with
    Index(None, "state", "next_attempt_at"),
    Index(None, "name", "created_at"),
    comment="the outbox: intended outside effects, each with one identity for ever",
)

changes = Table(
    "changes",
    metadata,
    Column("monitor", String(63), primary_key=True),
    Column("kind", String(32), primary_key=True),  # model_version, prompt_version, category, column
    Column("column", String(128), primary_key=True),
    Column("value", String(256), primary_key=True),
    Column("first_seen", Utc, nullable=False, index=True),
    comment="first sights: what an incident may have been caused by",
)

versions = Table(
    "versions",
    metadata,
    Column("monitor", String(63), primary_key=True),
    Column("role", String(32), primary_key=True),
    Column("value", String(256), primary_key=True),
    Column("first_seen", Utc, nullable=False),
    Column("last_seen", Utc, nullable=False),
    Column("rows", Integer, nullable=False),
    comment="traffic of each model and prompt version: what may be rolled back to",
)

deploy_events = Table(
    "deploy_events",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("monitor", String(63), nullable=False),
    Column("kind", String(16), nullable=False),  # deploy, config, data
    Column("at", Utc, nullable=False),
    Column("version", String(256), nullable=False),
    Column("commit", String(64), nullable=False),
    Column("author", String(128), nullable=False),
    Column("link", String(512), nullable=False),
    Column("reported_at", Utc, nullable=False),
    Index(None, "monitor", "at"),
    comment="what was deployed, as people and CI report it",
)

silences = Table(
    "silences",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("monitor", String(63), nullable=False),  # * for all
    Column("rule", String(128), nullable=False),  # * for all
    Column("matchers", Json, nullable=False, server_default="[]"),  # further conditions, as they are written
    Column("starts_at", Utc, nullable=False),
    Column("ends_at", Utc, nullable=False),
    Column("comment", String(256), nullable=False),
    Column("created_by", String(128), nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Utc, nullable=False, index=True),
    Column("by", String(128), nullable=False),
    Column("verified", Boolean, nullable=False),  # whether the name is that of a token, session or signed request
    Column("role", String(16), nullable=False),  # viewer, responder, admin
    Column("channel", String(16), nullable=False),  # cli, api, web, slack
    Column("operation", String(32), nullable=False),  # approve, reject, replay, acknowledge, assign, comment, silence …
    Column("result", String(16), nullable=False),  # done, refused
    Column("subject_kind", String(16), nullable=False),  # action, incident, silence
    Column("subject", String(128), nullable=False),  # its id
    Column("incident", String(36), index=True),
    Column("monitor", String(63), nullable=False),
    Column("reason", Text, nullable=False),  # or the comment
    Column("detail", Json, nullable=False),  # what was changed, or why it was refused
    Column("request", String(64)),  # the press or request, so that its copies are performed once
    Index(None, "request", unique=True),
    comment="what people did, and what they were refused; rows are only added",
)

watches = Table(
    "watches",
    metadata,
    Column("monitor", String(63), primary_key=True),
    Column("config", String(32), nullable=False),  # fingerprint of the monitor's configuration
    Column("seen_at", Utc, nullable=False),  # last pass of any replica
    Column("error", String(512)),  # why the source cannot be read, null when it can
    Column("error_since", Utc),
    Column("source_time", Utc),
    Column("newest", Utc),
    Column("late_rows", Integer, nullable=False, default=0),
    Column("columns", Json),
    comment="what is known of each monitor as a whole",
)
