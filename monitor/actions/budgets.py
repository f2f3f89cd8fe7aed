"""Money at the end of a bucket: what budgets are held against, and what the breakers make of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitor.actions.breakers import Broken, firing_after, silence_name, work
from monitor.actions.plan import Context
from monitor.alerting.incidents import Decision
from monitor.config.models import ActionSpec
from monitor.core.schedule import Bucket
from monitor.jobs.watch import Watch
from monitor.profiling.profile import Profiled
from monitor.profiling.spend import Spending
from monitor.store import breakers, incidents, ledger


def load_spend(watch: Watch, bucket: Bucket, profiled: Profiled) -> Spending | None:
    """Return what was spent up to the end of a bucket, its own bill included; None where no budget asks."""
    with watch.database.read() as connection:
        return ledger.spending(connection, watch.monitor, bucket, profiled.bill)


def evaluate_breakers(
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
            if incidents.find_silence(connection, watch.monitor.name, silence_name(spec), bucket.end) is not None
        ]
    rates = profiled.bill.rates if profiled.bill else {}
    firing = firing_after([*past.open.values(), *past.older], decisions)
    return work(watch.monitor, bucket, held, spending, rates, firing, specs, watch.now(), silenced)
