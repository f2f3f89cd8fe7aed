"""Our tables of costs, comparisons, breakers and savings."""

from __future__ import annotations

from sqlalchemy import Column, Float, Integer, LargeBinary, String, Table

from monitor.store.types import Json, Utc, metadata

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
    comment="what every hour cost: derived from the aggregates of its buckets",
)

comparisons = Table(
    "comparisons",
    metadata,
    Column("monitor", String(63), primary_key=True),
    Column("kind", String(16), primary_key=True),  # experiment, shadow
    Column("name", String(128), primary_key=True),
    Column("definition", String(32), nullable=False),  # fingerprint of the configuration
    Column("next", Utc, nullable=False),  # every bucket before it is in the sum
    Column("total", LargeBinary),
    Column("told", Json, nullable=False),
    Column("told_at", Utc),
    comment="experiments and shadows: the exact sum of their buckets, and what was told last",
)

breakers = Table(
    "breakers",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("value", String(256), primary_key=True),  # of the dimension of its budget; empty for all traffic
    Column("monitor", String(63), nullable=False, index=True),
    Column("state", String(16), nullable=False),  # closed, open, half_open
    Column("since", Utc, nullable=False),
    Column("reason", String(512), nullable=False),
    Column("until", Utc),  # open: when it tries again, or its budget is renewed
    Column("who", String(128)),  # user who set it manually
    Column("held_until", Utc),
    Column("number", Integer, nullable=False),  # of transitions; guards against two writers
    Column("episode", Utc),  # time when it last ceased to be closed
    Column("as_of", Utc),  # row of all traffic: end of the newest evaluated bucket
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

savings_reports = Table(
    "savings_told",
    metadata,
    Column("monitor", String(63), primary_key=True),
    Column("at", Utc, nullable=False),
    Column("told", Json, nullable=False),
    comment="what was told of a monitor's savings last",
)
