"""Recognise fingerprints of version 1, as driftd 0.1.0 wrote them, in a store that was upgraded.

Version 1 hashed almost the whole configuration of a monitor, so its fingerprint changed with settings that do not
affect the baseline, such as a timeout. Only the hash is stored. It is therefore compared with the hashes of the current
configuration in which these settings have their current, default or other usual values. If one of these matches, all
other settings are unchanged and the baseline is reused.

The keys and their order are those of that release; a later key must not enter.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from detectors.outcome import VERSION as OUTCOME_VERSION
from monitor.config.models import Monitor

SOURCE = ("url", "table", "query", "preset", "where", "key", "columns", "page_size", "timeout", "text_limit", "arrow")
COLUMN = ("column", "unit", "zone", "format", "chat")
BASELINE = ("start", "end", "file", "rolling", "min_rows")
FEATURES = ("include", "exclude", "types", "limit")
MONITOR = (
    "baseline",
    "bucket",
    "features",
    "max_segments",
    "min_samples",
    "name",
    "segments",
    "signals",
    "source",
    "start",
    "window",
)
_COUNTS = [*range(1, 101), *range(110, 1001, 10), *range(1100, 10_001, 100)]
_SECONDS = [2, 0.1, 0.2, 0.25, 0.5, 1.5, 2.5, *range(1, 61), *range(70, 601, 10)]
_MINUTES = [60, 1, 5, 10, 15, 20, 30, 45, 90, 120, 180, 240, 360, 480, 720, 1440]
_PAGES = [20_000, 10, 20, 50, *range(100, 1000, 100), *range(1000, 50_001, 500), 100_000, 200_000, 500_000, 1_000_000]
USUAL: Mapping[str, list[Any]] = {
    "source.timeout": [f"{seconds:g}s" for seconds in _SECONDS],
    "source.page_size": _PAGES,
    "source.arrow": [True, False],
    "source.key": [[]],
    "baseline.min_rows": [200, *_COUNTS],
    "max_segments": [20, *range(1, 201)],
    "min_samples": [100, *_COUNTS],
    "start": [None],
    "window": [f"{60 * minutes:g}s" for minutes in _MINUTES],
}
"""Settings in version 1 that do not affect the baseline: default value first, then other usual values."""
MARK = re.compile(r'"\\u0000([a-z._]+)"')
"""Placeholder of one of these settings in the hashed text."""


def fingerprint(monitor: Monitor) -> str:
    """Return the fingerprint of version 1 of a configuration."""
    pieces, present = _text(monitor)
    return _hash(pieces, present)


def recognises(monitor: Monitor, stored: str) -> bool:
    """Return whether a stored fingerprint matches the configuration, up to settings that do not affect the baseline."""
    pieces, present = _text(monitor)
    return any(_hash(pieces, values) == stored for values in _combinations(present))


def _combinations(present: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Yield each combination of current and default values, and each with one setting at another usual value."""
    usual = {name: [json.dumps(value) for value in values] for name, values in USUAL.items()}
    choices = [dict.fromkeys((present[name], usual[name][0])) for name in USUAL]
    for chosen in itertools.product(*choices):
        values = dict(zip(USUAL, chosen, strict=True))
        yield values
        for name, others in usual.items():
            yield from ({**values, name: value} for value in others)


def _text(monitor: Monitor) -> tuple[list[str], dict[str, str]]:
    """Return the text that version 1 hashed, split at the :data:`USUAL` settings, and the current values of these."""
    dump = monitor.model_dump(mode="json")
    written = {key: dump[key] for key in MONITOR}
    source = written["source"] = {key: dump["source"][key] for key in SOURCE}
    source["url"] = "hidden"
    source["columns"] = {role: {key: spec[key] for key in COLUMN} for role, spec in source["columns"].items()}
    written["baseline"] = {key: dump["baseline"][key] for key in BASELINE}
    written["features"] = {key: dump["features"][key] for key in FEATURES}
    present = {}
    for name in USUAL:
        *sections, key = name.split(".")
        section = written[sections[0]] if sections else written
        present[name] = json.dumps(section[key])
        section[key] = f"\0{name}"
    if check := monitor.performance:
        written["performance"] = [check.decision, check.positive, OUTCOME_VERSION]
    if monitor.judged:
        written["judged"] = sorted(monitor.judged)
    return MARK.split(json.dumps({key: written[key] for key in sorted(written)})), present


def _hash(pieces: Sequence[str], values: Mapping[str, str]) -> str:
    """Return the hash of the text with values inserted; every second piece is the name of a setting."""
    parts = [values[piece] if place % 2 else piece for place, piece in enumerate(pieces)]
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:16]
