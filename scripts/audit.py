"""Compare the locked packages with advisories in the OSV format, from a copy on this machine.

`--data` names a copy of the advisories about PyPI: the archive `all.zip` of OSV, a clone of the advisory database of the
Python Packaging Authority, or a folder with such files. Exit code 0: no known vulnerability; 1: at least one; 2: the
copy is missing, empty or too old, so nothing is known.
"""

from __future__ import annotations

import argparse
import json
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from scripts.check_locks import read
from scripts.packages import ROOT

Advisory = Mapping[str, Any]
LOCKS = ("requirements.lock", "requirements-build.lock", "requirements-dev.lock")


class NoData(Exception):  # noqa: N818
    """There are no usable advisories; the message says why."""


def main(arguments: Sequence[str] | None = None, now: datetime | None = None) -> int:
    """Print the vulnerabilities; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="archive or folder with advisories")
    parser.add_argument("--max-age-days", type=int, default=30, help="longest time since the newest advisory")
    parser.add_argument("--lock", default=LOCKS[0], choices=LOCKS)
    options = parser.parse_args(arguments)
    locked = read(ROOT / options.lock, [])
    try:
        advisories, newest = load_advisories(options.data, locked)
        age = (now or datetime.now(UTC)) - newest
        if age > timedelta(days=options.max_age_days):
            raise NoData(f"the newest advisory is of {newest:%Y-%m-%d}; update the copy, or raise --max-age-days")
    except NoData as error:
        print(f"Nothing is known about vulnerabilities: {error}.", file=sys.stderr)
        return 2
    problems = list(find_problems(locked, advisories))
    for problem in problems:
        print(problem)
    print(
        f"{len(locked)} packages of {options.lock}, advisories up to {newest:%Y-%m-%d}: {len(problems)} known vulnerabilities"
    )
    return 1 if problems else 0


def load_advisories(data: Path | None, locked: Mapping[str, set[str]]) -> tuple[list[Advisory], datetime]:
    """Return the advisories about locked packages, and when the newest of all was changed."""
    if data is None:
        raise NoData("name a copy of the advisories with --data, or `make audit DATA=PATH`")
    if not data.exists():
        raise NoData(f"there is no {data}")
    kept: list[Advisory] = []
    newest = datetime.min.replace(tzinfo=UTC)
    for name, text in read_files(data, locked):
        try:
            advisory = json.loads(text) if name.endswith(".json") else yaml.safe_load(text)
            newest = max(newest, parse_time(advisory["modified"]))
        except (ValueError, KeyError, TypeError, yaml.YAMLError):
            raise NoData(f"{name} in {data} is no advisory in the OSV format") from None
        if any(canonicalize_name(one["package"]["name"]) in locked for one in list_affected(advisory)):
            kept.append(advisory)
    if newest.year == 1:
        raise NoData(f"{data} has no advisories")
    return kept, newest


def read_files(data: Path, locked: Mapping[str, set[str]]) -> Iterator[tuple[str, str]]:
    """Yield the names and texts of the files with advisories; of YAML, which is slow, only those of locked packages."""
    if data.is_file() and zipfile.is_zipfile(data):
        with zipfile.ZipFile(data) as archive:
            yield from ((name, archive.read(name).decode()) for name in archive.namelist() if name.endswith(".json"))
        return
    for path in [data] if data.is_file() else sorted(data.rglob("*")):
        is_yaml = path.suffix in (".yaml", ".yml") and canonicalize_name(path.parent.name) in locked
        if path.suffix == ".json" or is_yaml:
            yield path.name, path.read_text("utf-8")


def find_problems(locked: Mapping[str, set[str]], advisories: Sequence[Advisory]) -> Iterator[str]:
    """Yield a line for each vulnerability of a locked version; one that has several ids is named once."""
    named: set[tuple[str, str]] = set()
    for advisory in sorted(advisories, key=lambda one: str(one["id"])):
        ids = [str(advisory["id"]), *map(str, advisory.get("aliases") or [])]
        for affected in list_affected(advisory):
            name = canonicalize_name(affected["package"]["name"])
            for version in sorted(locked.get(name, ())):
                if is_affected(version, affected) and not {(name, one) for one in ids} & named:
                    named |= {(name, one) for one in ids}
                    fixed = ", ".join(list_fixed(affected)) or "no version"
                    summary = str(advisory.get("summary") or advisory.get("details") or "").strip().split("\n")[0][:100]
                    yield f"{name} {version}: {' = '.join(ids)}: {summary} (fixed in {fixed})"


def list_affected(advisory: Advisory) -> list[dict[str, Any]]:
    """Return the packages of PyPI that an advisory is about; none if it was withdrawn."""
    affected = [] if advisory.get("withdrawn") else advisory.get("affected") or []
    return [one for one in affected if (one.get("package") or {}).get("ecosystem") == "PyPI"]


def is_affected(version: str, affected: Mapping[str, Any]) -> bool:
    """Return whether a version is listed, or within a range, by the algorithm of the OSV specification."""
    if version in (affected.get("versions") or []):
        return True
    ranges = [one for one in affected.get("ranges") or [] if one.get("type") == "ECOSYSTEM"]
    return any(is_within(Version(version), one["events"]) for one in ranges)


def is_within(version: Version, events: Sequence[Mapping[str, str]]) -> bool:
    """Return whether a version lies within a range."""
    vulnerable = False
    for limit, kind in sorted((key_of(value), kind) for event in events for kind, value in event.items()):
        if limit > version:
            continue
        if kind == "introduced":
            vulnerable = True
        elif kind == "fixed" or (kind == "last_affected" and version > limit):
            vulnerable = False
    return vulnerable


def key_of(text: str) -> Version:
    """Return the version of an event; `0` is before all, and one that cannot be read after all."""
    try:
        return Version("0.dev0" if text == "0" else text)
    except InvalidVersion:
        return Version("99999!0")


def list_fixed(affected: Mapping[str, Any]) -> list[str]:
    """Return the versions in which it is fixed."""
    ranges = affected.get("ranges") or []
    return [
        event["fixed"]
        for one in ranges
        if one.get("type") == "ECOSYSTEM"
        for event in one["events"]
        if "fixed" in event
    ]


def parse_time(text: object) -> datetime:
    """Parse a time in ISO 8601, which YAML has parsed already."""
    moment = text if isinstance(text, datetime) else datetime.fromisoformat(str(text))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


if __name__ == "__main__":
    sys.exit(main())
