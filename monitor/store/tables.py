"""Our tables. A change here needs a migration; a test refuses a difference between the two."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, Index, Integer, LargeBinary, String, Table

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
    Column("attempts", Integer, nullable=False, default=0),
    Column("revision", Integer, nullable=False, default=0),
    Column("result", String(16)),  # done, inconclusive, failed
    Column("reason", String(512)),
    Column("source_rows", Integer),
    Column("source_labels", Integer),
    Column("source_feedback", Integer),
    Column("audits", Integer, nullable=False, default=0),
    Column("layout", String(32)),
    Column("facts", Json),
    Column("profiles", LargeBinary),
    Column("usage", Json),  # what the window that ends with it used, by segment
    Column("finished_at", Utc),
    Index(None, "monitor", "state", "start"),
    comment="one row a bucket: who works on it, how it ended, its profiles",
)

baselines = Table(
    "baselines",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("monitor", String(63), nullable=False, index=True),
    Column("definition", String(32), nullable=False),  # fingerprint of what it was asked to be
    Column("state", String(16), nullable=False),  # learning, active, retired
    Column("layout", String(32), nullable=False),
    Column("start", Utc),
    Column("end", Utc),
    Column("rows", Integer, nullable=False, default=0),
    Column("layouts", LargeBinary, nullable=False),
    Column("profiles", LargeBinary),
    Column("facts", Json),
    Column("calibrated", String(32)),  # fingerprint of what the thresholds were set for
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
    Column("changes", Json, nullable=False, server_default="[]"),  # what people were told of, oldest first
    Column("moved", Integer, nullable=False, server_default="0"),
    Index(None, "monitor", "state"),
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
    Column("lease_until", Utc),
    Column("receipt", Json),
    Column("finished_at", Utc),
    Index(None, "state", "next_attempt_at"),
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

ledger = Table(
    "ledger",
    metadata,
    Column("monitor", String(63), primary_key=True),
    Column("start", Utc, primary_key=True),
    Column("amount", Float, nullable=False),
    Column("requests", Integer, nullable=False),
    Column("unpriced", Integer, nullable=False),
    Column("unknown", Integer, nullable=False, server_default="0"),  # 1: the bucket failed, nobody knows what it cost
    comment="what every bucket cost: the truth that budgets are held against",
)

ledger_hours = Table(
    "ledger_hours",
    metadata,
    Column("monitor", String(63), primary_key=True),
    Column("column", String(128), primary_key=True),  # empty for all traffic, as is its value
    Column("start", Utc, primary_key=True),
    Column("value", String(256), primary_key=True),
    Column("amount", Float, nullable=False),
    Column("requests", Integer, nullable=False),
    Column("unpriced", Integer, nullable=False),
    Column("unknown", Integer, nullable=False, server_default="0"),
    comment="sums of the ledger by the hour, for budgets of a month and for forecasts",
)

comparisons = Table(
    "comparisons",
    metadata,
    Column("monitor", String(63), primary_key=True),
    Column("kind", String(16), primary_key=True),  # experiment, shadow
    Column("name", String(128), primary_key=True),
    Column("definition", String(32), nullable=False),  # fingerprint of what is counted
    Column("next", Utc, nullable=False),  # every bucket before it is in the sum
    Column("total", LargeBinary),
    Column("told", Json, nullable=False),
    Column("told_at", Utc),
    comment="experiments and shadows: the exact sum of their buckets, and what was told last",
)

tallies = Table(
    "tallies",
    metadata,
    Column("monitor", String(63), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("name", String(128), primary_key=True),
    Column("start", Utc, primary_key=True),
    Column("sums", LargeBinary, nullable=False),
    comment="what one bucket adds to a comparison; computed again, it is replaced",
)

objectives = Table(
    "objectives",
    metadata,
    Column("monitor", String(63), primary_key=True),
    Column("signal", String(63), primary_key=True),
    Column("start", Utc, primary_key=True),
    Column("total", Integer, nullable=False),
    Column("bad", Float, nullable=False),
    comment="what every bucket counted toward an objective: requests that told, and bad ones",
)

ledger_parts = Table(
    "ledger_parts",
    metadata,
    Column("monitor", String(63), primary_key=True),
    Column("column", String(128), primary_key=True),
    Column("start", Utc, primary_key=True),
    Column("value", String(256), primary_key=True),
    Column("amount", Float, nullable=False),
    Column("requests", Integer, nullable=False),
    Column("unpriced", Integer, nullable=False),
    comment="what every bucket cost by value of a column; their number a bucket is capped, the rest is (other)",
)

breakers = Table(
    "breakers",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("value", String(256), primary_key=True),  # of the column that its budget is kept by; empty for all traffic
    Column("monitor", String(63), nullable=False, index=True),
    Column("state", String(16), nullable=False),  # closed, open, half_open
    Column("since", Utc, nullable=False),
    Column("reason", String(512), nullable=False),
    Column("until", Utc),  # open: when it tries again, or its budget is renewed
    Column("who", String(128)),  # set by hand
    Column("held_until", Utc),
    Column("number", Integer, nullable=False),  # of transitions; guards against two writers
    Column("episode", Utc),  # when it left closed
    Column("as_of", Utc),  # row of all traffic: end of the newest bucket that it has seen
    Column("counts", Json, nullable=False),  # row of all traffic: transitions by state, of all values
    comment="how every circuit breaker stands, for all replicas alike",
)

breaker_transitions = Table(
    "breaker_transitions",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("value", String(256), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at", Utc, nullable=False, index=True),
    Column("state", String(16), nullable=False),
    Column("reason", String(512), nullable=False),
    Column("who", String(128)),
)

savings = Table(
    "savings",
    metadata,
    Column("monitor", String(63), primary_key=True),
    Column("plan", String(80), primary_key=True),
    Column("day", Utc, primary_key=True),
    Column("definition", String(32), nullable=False),  # fingerprint of what is counted
    Column("counted_at", Utc, nullable=False),
    Column("sums", LargeBinary, nullable=False),
    comment="what the requests of a day would have cost on a plan",
)

savings_told = Table(
    "savings_told",
    metadata,
    Column("monitor", String(63), primary_key=True),
    Column("at", Utc, nullable=False),
    Column("told", Json, nullable=False),
    comment="what was told of a monitor's savings last",
)

prompts = Table(
    "prompts",
    metadata,
    Column("name", String(256), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("hash", String(64), nullable=False, index=True),
    Column("content", Json, nullable=False),  # template or messages, model, parameters
    Column("description", String(512), nullable=False),
    Column("commit", String(64), nullable=False),
    Column("author", String(128), nullable=False),
    Column("committed_at", Utc),
    Column("dirty", Boolean, nullable=False),
    Column("pushed_at", Utc, nullable=False),
    comment="every version of every prompt that was pushed; none is ever changed",
)

prompt_tags = Table(
    "prompt_tags",
    metadata,
    Column("name", String(256), primary_key=True),
    Column("tag", String(64), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("tagged_at", Utc, nullable=False),
)

silences = Table(
    "silences",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("monitor", String(63), nullable=False),  # * for all
    Column("rule", String(128), nullable=False),  # * for all
    Column("starts_at", Utc, nullable=False),
    Column("ends_at", Utc, nullable=False),
    Column("comment", String(256), nullable=False),
    Column("created_by", String(128), nullable=False),
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

evaluations = Table(
    "evaluations",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("suite", String(128), nullable=False),
    Column("started_at", Utc, nullable=False),
    Column("finished_at", Utc, nullable=False),
    Column("result", String(16), nullable=False),  # good, regressed, below, inconclusive
    Column("reason", String(512), nullable=False),
    Column("model", String(256)),
    Column("cases", Integer, nullable=False),
    Column("samples", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("score", Float),
    Column("copies", Boolean, nullable=False),  # the samples of a case are copies of one another
    Column("compared_with", Json, nullable=False),
    Column("comparisons", Json, nullable=False),
    Column("spent", Json, nullable=False),
    Column("accepted_by", String(128)),  # who declared it good
    Index(None, "suite", "started_at"),
    comment="runs of suites; the good ones are what the next is compared with",
)

evaluation_turns = Table(
    "evaluation_turns",
    metadata,
    Column("name", String(128), primary_key=True),  # of what is evaluated: a suite, or a judge of a monitor
    Column("begun_at", Utc, nullable=False),
    Column("owner", String(128), nullable=False),
    Column("lease_until", Utc, nullable=False),
    comment="who runs which evaluation: one replica, once an interval, by the clock of this database",
)

evaluation_cases = Table(
    "evaluation_cases",
    metadata,
    Column("evaluation", String(36), primary_key=True),
    Column("case", String(128), primary_key=True),
    Column("place", Integer, nullable=False),
    Column("definition", String(32), nullable=False),  # fingerprint of what was asked and expected
    Column("tags", Json, nullable=False),
    Column("scores", Json, nullable=False),
    Column("failures", Json, nullable=False),
    comment="scores of every sample of a case; what was asked and answered is not kept",
)

labels = Table(
    "labels",
    metadata,
    Column("monitor", String(63), primary_key=True),
    Column("record", String(256), primary_key=True),  # the id of the record, as text
    Column("label", String(256), nullable=False),
    Column("at", Utc, nullable=False),  # when it was imported
    comment="labels that were imported; they win over those of the source",
)

verdicts = Table(
    "verdicts",
    metadata,
    Column("monitor", String(63), primary_key=True),
    Column("record", String(256), primary_key=True),  # the id of the record, as text
    Column("score", Float, nullable=False),  # of the judge, 0 to 1, more is better
    Column("at", Utc, nullable=False),
    comment="what a judge said of records sampled from traffic; people's labels win over it",
)
