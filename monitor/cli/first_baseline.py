"""The baseline of a configuration that `driftd init` has written."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from monitor.checks.baseline_review import as_setting
from monitor.cli.config_template import with_baseline
from monitor.cli.connections import open_reader
from monitor.cli.options import load_config
from monitor.cli.output import echo
from monitor.jobs.review_candidate import candidate_notes
from monitor.profiling.features import list_hashed_segments
from monitor.sources.base import ColumnInfo


def with_clean_baseline(
    out: Path, text: str, password: str, columns: Sequence[ColumnInfo]
) -> tuple[list[str], list[str]]:
    """Review the range of the baseline; if it has problems, write its longest clean stretch to the file instead.

    Returns the notes about segments that are stored as hashes, and those about the baseline.
    """
    monitor = load_config(out, {"DRIFTD_SOURCE_PASSWORD": password}).monitors[0]
    if sys.stderr.isatty():
        echo("reading the last 14 days, the range of the baseline …", err=True)
    with open_reader(monitor) as reader:
        review, notes = candidate_notes(reader, monitor)
    if review is not None and review.unfit and review.clean:
        out.write_text(with_baseline(text, as_setting(review.clean)), encoding="utf-8")
        notes.append(
            "the file uses this stretch as the baseline, not `rolling: 14d`; change it if another range is better"
        )
    return list_hashed_segments(monitor, columns), notes
