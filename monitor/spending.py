"""Money at the end of a bucket: what budgets are held against, and what the breakers make of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitor.act import Context
from monitor.breaking import Broken, firing_after, rule_of, work
from monitor.config import ActionSpec
from monitor.engine.profile import Profiled
from monitor.engine.spend import Spending
from monitor.judge import Decision
from monitor.schedule import Bucket
from monitor.store import breakers, incidents, ledger
from monitor.watch import Watch


def spending_of(watch: Watch, bucket: Bucket, profiled: Profiled) -> Spending | None:
    """Return what was spent up to the end of a bucket, its own bill included; None where no budget asks."""
    with watch.database.read() as connection:
        return ledger.spending(connection, watch.monitor, bucket, profiled.bill)


def broken_by(
    watch: Watch,
    bucket: Bucket,
    profiled: Profiled,
    spending: Spending | None,
    past: Context,
    decisions: Sequence[Decision],
    specs: Mapping[str, ActionSpec],
) -> Broken | None:
    """Let the breakers of a monitor see a bucket that has been judged; None where there are none."""
    specified = watch.monitor.breakers
    if not specified:
        return None
    with watch.database.read() as connection:
        held = breakers.standing(connection, [spec.name for spec in specified])
        silenced = [
            spec.name
            for spec in specified
            if incidents.silenced(connection, watch.monitor.name, rule_of(spec), bucket.end) is not None
        ]
    rates = profiled.bill.rates if profiled.bill else {}
    firing = firing_after([*past.open.values(), *past.older], decisions)
    return work(watch.monitor, bucket, held, spending, rates, firing, specs, watch.now(), silenced)
