"""LiteLLM's own migrations, and spend logs as its proxy writes them."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any

import sqlalchemy as sa

from tests.support.logs.base import Call, insert, naive

TABLE = "LiteLLM_SpendLogs"
PRICE_MAP = {f"key_{n}": {"input_cost_per_token": n * 1e-7, "mode": "chat"} for n in range(60)}


def create(engine: sa.Engine, until: str = "9") -> None:
    """Run the migrations up to a name: PostgreSQL's as they are, for SQLite what they say of this table."""
    folder = files("litellm_proxy_extras") / "migrations"
    for name in sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name <= until):
        text = (folder / name / "migration.sql").read_text("utf-8")
        if engine.dialect.name == "postgresql":
            _postgresql(engine, text)
        else:
            _sqlite(engine, text)


def _postgresql(engine: sa.Engine, text: str) -> None:
    parts = [text]
    if "CONCURRENTLY" in text:  # not allowed in the transaction that several statements are
        plain = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))
        parts = [part for part in plain.split(";") if part.strip()]
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for part in parts:
            connection.exec_driver_sql(part.replace("%", "%%"))


def _sqlite(engine: sa.Engine, text: str) -> None:
    statements = re.findall(rf'CREATE TABLE[^;]*?"{TABLE}"[^;]*;', text)
    known = {column["name"] for column in _columns(engine)}
    for altered in re.findall(rf'ALTER TABLE\s+"{TABLE}"([^;]*);', text):
        for name, kind in re.findall(r'ADD COLUMN\s+(?:IF NOT EXISTS\s+)?"(\w+)"\s+(\w+)', altered):
            # Without defaults, for SQLite adds no column whose default is the time; these tests fill none of them.
            statements += [] if name in known else [f'ALTER TABLE "{TABLE}" ADD COLUMN "{name}" {kind}']
    statements += re.findall(rf'CREATE INDEX[^;]*?ON "{TABLE}"[^;]*;', text)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement.replace("CONCURRENTLY", ""))


def _columns(engine: sa.Engine) -> list[Any]:
    inspector = sa.inspect(engine)
    return list(inspector.get_columns(TABLE)) if inspector.has_table(TABLE) else []


def row(engine: sa.Engine, call: Call, *, texts: bool = True) -> dict[str, Any]:
    """Return a row as the proxy writes it, its metadata mostly a copied price map."""
    error = {"error_class": "RateLimitError", "error_code": "429"}
    metadata = {
        "user_api_key_alias": "k",
        "model_map_information": PRICE_MAP,
        "additional_usage_values": {"cache_read_input_tokens": call.input_tokens // 2},
        **({"error_information": error} if call.failed else {}),
    }
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": call.question}]
    answer = {
        "id": call.id,
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": call.response}}],
        "usage": {"prompt_tokens": call.input_tokens, "completion_tokens": call.output_tokens},
    }
    first = call.first_token if call.number % 2 else call.seconds
    return {
        "request_id": call.id,
        "call_type": "acompletion",
        "api_key": "hashed",
        "spend": 0.0 if call.failed else call.cost,
        "total_tokens": call.input_tokens + call.output_tokens,
        "prompt_tokens": call.input_tokens,
        "completion_tokens": call.output_tokens,
        "startTime": naive(engine, call.start),
        "endTime": naive(engine, call.end),
        "completionStartTime": naive(engine, call.start + (call.end - call.start) * (first / call.seconds)),
        "model": call.model,
        "custom_llm_provider": "openai",
        "end_user": call.tenant if call.number % 4 else "",
        "metadata": json.dumps(metadata),
        "cache_hit": "True" if call.number % 100 == 10 else "",
        "status": "failure" if call.failed else "success",
        "messages": json.dumps(messages if texts else {}),
        "response": json.dumps(answer if texts and not call.failed else {}),
    }


def write(engine: sa.Engine, calls: list[Call], *, texts: bool = True) -> None:
    insert(engine, TABLE, [row(engine, call, texts=texts) for call in calls])
