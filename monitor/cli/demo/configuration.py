"""The driftd.yaml that the demo runs on."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from monitor.cli.options import load_config
from monitor.config.models import Config

BASELINE = timedelta(minutes=15)
CONFIG = """\
# What the demo runs on; an ordinary configuration.
store: sqlite:///{folder}/driftd.db
server: {{listen: "{listen}"}}

receivers:
  rollback-wow-bot:
    kind: webhook
    url: "{hook}"
    secret: "${{DEMO_SECRET}}"
    effect: {{kind: rollback, mode: auto, cooldown: 30m, not_after: 1h}}

monitors:
  - name: wow-bot
    source:
      url: sqlite:///{folder}/application.db
      table: records
      columns:
        timestamp: created_at
        id: request_id
        model_version: model
        question: question
        context: context
        response: response
    bucket: 1m
    window: 5m
    settle: 2s
    baseline: {{from: "{start}", to: "{end}"}}
    segments: [model_version]
    signals: [response_length, novelty, hallucinated]
    checks:
      - drift: {{columns: auto}}
      - quality
      - rate: {{signal: hallucinated, max_increase: 0.1}}
    rules:
      - name: answers-leave-their-context
        when: [rate.hallucinated]
        for: 2
        severity: critical
        do: [rollback-wow-bot]
"""


def write_config(home: Path, listen: str, hook: str, start: datetime, secret: str) -> Config:
    path = home / "driftd.yaml"
    end = start + BASELINE
    text = CONFIG.format(folder=home, listen=listen, hook=hook, start=start.isoformat(), end=end.isoformat())
    path.write_text(text, encoding="utf-8")
    return load_config(path, {"DEMO_SECRET": secret})
