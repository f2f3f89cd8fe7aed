"""`driftd guard`: check the texts of a file with a guardrail policy."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from detectors import Policy, Verdict
from detectors import guard as check_text
from monitor.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, Quiet, expand_options, load_config
from monitor.cli.output import echo
from monitor.config.models import ConfigError
from monitor.config.policies import load_policy, merge_policies, unknown_policy
from monitor.core.lines import output, progress
from monitor.core.plain import visible

FIELDS = ("response", "text", "answer", "output")
"""Fields that may contain the text; the first that a record has is used."""
BAD_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class GuardOptions:
    """Policy, field, output file and exit code of a run."""

    policy: Annotated[
        str, typer.Option("--policy", "-p", help="A name in driftd.yaml, a YAML file, or a built-in: default, pii.")
    ] = "default"
    field: Annotated[str | None, typer.Option(help="Field to check; default: response, else text.")] = None
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write to this file instead of stdout.")] = None
    fail_on: Annotated[str, typer.Option(help="When to exit 1: never, or block (a text was blocked).")] = "never"


def find_policy(name: str, config: Path) -> Policy:
    """Return a policy from a YAML file, from driftd.yaml, or a built-in one."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        return load_policy(path)
    policies = merge_policies(load_config(config).policies if config.exists() else {})
    if name not in policies:
        raise ConfigError(f"{unknown_policy(name, list(policies))} A policy in a file ends in .yaml.")
    return policies[name]


@expand_options
def guard(
    file: Annotated[Path, typer.Argument(help="A .jsonl, .csv, .tsv or .parquet file of texts.")],
    options: GuardOptions,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> int:
    """Check the texts of a file with a guardrail policy; exits 2 if a record could not be read.

    Example: driftd guard answers.jsonl --policy pii --json > verdicts.jsonl
    """
    if options.fail_on not in ("never", "block"):
        raise ConfigError(f"--fail-on {options.fail_on!r} is not allowed. Allowed: never, block.")
    policy = find_policy(options.policy, config)
    counts: Counter[str] = Counter()
    types: Counter[str] = Counter()
    bad: list[str] = []
    start = time.monotonic()
    with output(options.out) as write, progress(file, quiet=quiet) as (records, advance):
        for number, record, problem in records:
            text, wrong = _text(record, options.field, problem)
            advance()
            if text is None or record is None:
                counts["bad"] += 1
                if len(bad) < BAD_SHOWN:
                    bad.append(f"record {number}: {wrong}")
                continue
            verdict = check_text(text, policy, time.monotonic)
            counts[verdict.verdict] += 1
            types.update(finding.type for finding in verdict.findings)
            identity = record.get("id")
            _write(write, number if identity is None else identity, verdict, as_json=as_json)
    _report(counts, types, bad, policy, time.monotonic() - start)
    withheld = counts["block"] + counts["error"]
    return 2 if counts["bad"] else 1 if options.fail_on == "block" and withheld else 0


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
        entry = {
            "id": identity,
            "verdict": verdict.verdict,
            "findings": [
                {name: value for name, value in asdict(finding).items() if value is not None}
                for finding in verdict.findings
            ],
        }
        if verdict.failed:
            entry["failed"] = verdict.failed
            entry["reasons"] = list(verdict.reasons)
        write.write(json.dumps(entry, ensure_ascii=True, default=str) + "\n")
    elif verdict.verdict != "allow":
        write.write(visible(f"{identity}: {verdict.verdict}: {' '.join(verdict.reasons)}") + "\n")


def _report(counts: Counter[str], types: Counter[str], bad: list[str], policy: Policy, seconds: float) -> None:
    checked = sum(counts[name] for name in ("allow", "redact", "block", "error"))
    summary = ", ".join(
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
        f"{summary}.",
        err=True,
    )
    for kind, count in types.most_common():
        echo(f"  {kind}: {count}", err=True)
    if counts["bad"]:
        echo(f"{counts['bad']} records were not checked, among them:", err=True)
        for line in bad:
            echo(f"  {line}", err=True)
