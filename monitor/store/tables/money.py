"""Our tables of money and of versions that are compared."""

from __future__ import annotations

from sqlalchemy import Column, Float, Integer, LargeBinary, String, Table

from monitor.store.types import Json, Utc, metadata

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
