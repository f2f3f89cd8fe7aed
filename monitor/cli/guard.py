"""`driftd guard`: the output parser over a file, line by line."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from detectors import Policy, Verdict, guard
from monitor.cli.load import load
from monitor.cli.output import echo
from monitor.config.models import ConfigError
from monitor.config.policies import load_policy, merge_policies, unknown_policy
from monitor.core.lines import output, progress
from monitor.core.plain import visible

FIELDS = ("response", "text", "answer", "output")
"""Where the text is looked for, the first that a record has."""
BAD_SHOWN = 5


def find_policy(name: str, config: Path) -> Policy:
    """Return the policy of a YAML file, of driftd.yaml, or one that is built in."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        return load_policy(path)
    known = merge_policies(load(config).policies if config.exists() else {})
    if name not in known:
        raise ConfigError(f"{unknown_policy(name, list(known))} A policy in a file ends in .yaml.")
    return known[name]


def run(
    file: Path, policy: Policy, field: str | None, out: Path | None, fail_on: str, *, as_json: bool, quiet: bool
) -> int:
    """Check every record; returns 2 when lines were bad, 1 when asked to and something was blocked, else 0."""
    counts: Counter[str] = Counter()
    found: Counter[str] = Counter()
    bad: list[str] = []
    begun = time.monotonic()
    with output(out) as write, progress(file, quiet=quiet) as (records, advance):
        for number, record, problem in records:
            text, wrong = _text(record, field, problem)
            advance()
            if text is None or record is None:
                counts["bad"] += 1
                if len(bad) < BAD_SHOWN:
                    bad.append(f"record {number}: {wrong}")
                continue
            verdict = guard(text, policy, time.monotonic)
            counts[verdict.verdict] += 1
            found.update(finding.type for finding in verdict.findings)
            identity = record.get("id")
            _write(write, number if identity is None else identity, verdict, as_json=as_json)
    _report(counts, found, bad, policy, time.monotonic() - begun)
    withheld = counts["block"] + counts["error"]
    return 2 if counts["bad"] else 1 if fail_on == "block" and withheld else 0


def _text(record: dict[str, Any] | None, field: str | None, problem: str | None) -> tuple[str | None, str | None]:
    if record is None:
        return None, problem
    name = field or next((name for name in FIELDS if isinstance(record.get(name), str)), None)
    if name is None:
        return None, f"none of the fields {', '.join(FIELDS)} contains a text; name another one with --field."
    text = record.get(name)
    if not isinstance(text, str):
        return None, f"the field {name!r} contains no text."
    return text, None


def _write(write: IO[str], identity: object, verdict: Verdict, *, as_json: bool) -> None:
    if as_json:
        told = {
            "id": identity,
            "verdict": verdict.verdict,
            "findings": [
                {name: value for name, value in asdict(finding).items() if value is not None}
                for finding in verdict.findings
            ],
        }
        if verdict.failed:
            told["failed"] = verdict.failed
            told["reasons"] = list(verdict.reasons)
        write.write(json.dumps(told, ensure_ascii=True, default=str) + "\n")
    elif verdict.verdict != "allow":
        write.write(visible(f"{identity}: {verdict.verdict}: {' '.join(verdict.reasons)}") + "\n")


def _report(counts: Counter[str], found: Counter[str], bad: list[str], policy: Policy, seconds: float) -> None:
    checked = sum(counts[name] for name in ("allow", "redact", "block", "error"))
    said = ", ".join(
        f"{counts[name]} {word}"
        for name, word in (
            ("allow", "allowed"),
            ("redact", "redacted"),
            ("block", "blocked"),
            ("error", "could not be checked"),
        )
    )
    echo(
        f"policy {policy.name}: {checked} texts in {seconds:.1f} s ({checked / max(seconds, 1e-9):,.0f} a second): "
        f"{said}.",
        err=True,
    )
    for kind, count in found.most_common():
        echo(f"  {kind}: {count}", err=True)
    if counts["bad"]:
        echo(f"{counts['bad']} records were not checked, among them:", err=True)
        for line in bad:
            echo(f"  {line}", err=True)
