"""Our tables of prompts, evaluation runs, labels and judge verdicts."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, Index, Integer, String, Table

from monitor.store.types import Json, Utc, metadata

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
    Column("accepted_by", String(128)),  # user who accepted it as good
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
    Column("definition", String(32), nullable=False),  # fingerprint of the requests and expectations
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
    Column("at", Utc, nullable=False),  # time of the import
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
