"""Our tables of older buckets: the history of their findings and their sums; and the sizes of the store."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String, Table

from monitor.store.types import Utc, metadata

finding_history = Table(
    "finding_history",
    metadata,
    Column("monitor", String(63), primary_key=True),
    Column("length", Integer, primary_key=True),  # seconds: an hour with every bucket, or a day with few of each hour
    Column("start", Utc, primary_key=True),
    Column("points", LargeBinary, nullable=False),
    Column("states", LargeBinary),  # of sequential detectors, by bucket; only of an hour
    comment="statistics of the findings of older buckets, by hour and day",
)

rollups = Table(
    "rollups",
    metadata,
    Column("monitor", String(63), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("length", Integer, primary_key=True),  # seconds: an hour or a day
    Column("start", Utc, primary_key=True),
    Column("definition", String(32), primary_key=True),
    Column("buckets", LargeBinary, nullable=False),  # starts of the buckets in the sum, in seconds after `start`
    Column("data", LargeBinary, nullable=False),
    comment="sums of the aggregates of older buckets, by hour and day",
)

store_sizes = Table(
    "store_sizes",
    metadata,
    Column("kind", String(32), primary_key=True),
    Column("bytes", BigInteger, nullable=False),
    Column("measured_at", Utc, nullable=False),
    comment="bytes of the rows of each kind, with indexes",
)
