"""The kinds of scenarios: each draws what changes in a world, and says what a good monitor names."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.causes.truth import Cause, Challenger, Effect, Rollout, Scenario, Volume, World

LEAD, LASTS, AFTERWARDS = (15.0, 35.0), (90.0, 120.0), 80.0
"""Minutes: of live traffic before the change, that it lasts, and that follow where it ends."""
ENDS = 0.15
"""Share of the faults that end before the stream does."""
HOURLY = (200.0, 5000.0)
TEXT_HOURLY = (200.0, 320.0)
"""Records an hour of an application whose answers are logged; few, as each text is read."""
LEAST_AFFECTED = 130.0
"""Records an hour that a fault has to concern, or nobody could see it in two hours."""
ALWAYS = ("latency", "failed")
EVER = 1e9


@dataclass
class Draft:
    """What the kinds draw from, and the scenario so far.

    Parameters
    ----------
    start, end
        Minutes of the change: when it comes, and when it ends.
    """

    rng: np.random.Generator
    scenario: Scenario
    start: float
    end: float

    @property
    def world(self) -> World:
        return self.scenario.world

    def uniform(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def name(self, stem: str) -> str:
        return f"{stem}-{self.rng.integers(10, 99)}{'abcdefgh'[self.rng.integers(8)]}"

    def add(self, **parts: object) -> None:
        """Add to the tuples of the scenario."""
        added = {name: (*getattr(self.scenario, name), *given) for name, given in parts.items()}  # type: ignore[misc]
        self.scenario = replace(self.scenario, **added)

    def largest_tenants(self) -> list[str]:
        """Return the tenants with enough records for a fault of their own to show."""
        total = sum(share for _, share in self.world.tenants)
        enough = [name for name, share in self.world.tenants if share / total * self.world.hourly >= LEAST_AFFECTED]
        return enough or [max(self.world.tenants, key=lambda one: one[1])[0]]

    def share(self, low: float, high: float) -> float:
        """Draw a share of the records that is no smaller than a fault needs."""
        return self.uniform(max(low, min(high, LEAST_AFFECTED / self.world.hourly)), high)


Kind = Callable[[Draft], None]
KINDS: dict[str, Kind] = {}


def kind(make: Kind) -> Kind:
    """Register a kind of scenario by the name of its function."""
    KINDS[make.__name__] = make
    return make


def draw(name: str, number: int, seed: int) -> Scenario:
    """Draw a scenario: the same seed, kind and number give the same one."""
    rng = np.random.default_rng([seed, zlib.crc32(name.encode()), number])
    start = float(rng.uniform(*LEAD))
    lasts = float(rng.uniform(*LASTS))
    ends = rng.random() < ENDS
    live = start + lasts + (AFTERWARDS if ends else 0)
    world = draw_world(rng)
    scenario = Scenario(name, number, int(rng.integers(2**32)), world, live, ALWAYS + ("hallucinated",) * world.texts)
    draft = Draft(rng, scenario, start, start + lasts if ends else EVER)
    KINDS[name](draft)
    if name not in WITHOUT_DISTRACTION:
        add_distraction(draft)
    return draft.scenario


def draw_world(rng: np.random.Generator) -> World:
    """Draw an application; one in four logs its answers."""
    texts = bool(rng.random() < 0.25)
    low, high = TEXT_HOURLY if texts else HOURLY
    tenants = int(rng.integers(2, 4))
    shares = rng.dirichlet(np.full(tenants, 2.0))
    number = int(rng.integers(3, 9))
    return World(
        hourly=float(np.exp(rng.uniform(np.log(low), np.log(high)))),
        tenants=tuple((f"tenant-{place}", float(share)) for place, share in enumerate(shares)),
        model=f"model-{number}",
        prompt=f"prompt-{rng.integers(10, 40)}",
        replaced=(f"model-{number - 1}", float(rng.uniform(0.2, 0.6))) if rng.random() < 0.4 else None,
        beside=(f"model-{number}-mini", float(rng.uniform(0.1, 0.3))) if rng.random() < 0.25 else None,
        failed=float(rng.uniform(0.005, 0.05)),
        latency=float(np.exp(rng.uniform(np.log(0.3), np.log(4)))),
        tokens=float(rng.uniform(60, 400)),
        texts=texts,
        wrong=float(rng.uniform(0.1, 0.25)),
        positive=float(rng.uniform(0.15, 0.4)),
    )


# ------------------------------------------------------------------------------------------------------ parts of kinds


def make_worse(draft: Draft, on: tuple[str, str] | None, start: float) -> None:
    """Make answers worse in one or several ways, each by a size of its own."""
    ways = ["failed", "latency", *["wrong"] * draft.world.texts]
    chosen = draft.rng.choice(ways, size=int(draft.rng.integers(1, len(ways) + 1)), replace=False)
    sizes = {"failed": draft.uniform(0.15, 0.5), "latency": draft.uniform(1.6, 4.0), "wrong": draft.uniform(0.6, 0.95)}
    effects = [
        Effect(str(way), "scale" if way == "latency" else "rate", sizes[str(way)], start, draft.end, on)
        for way in chosen
    ]
    if draft.rng.random() < 0.4:
        effects.append(Effect("output_tokens", "scale", draft.uniform(0.6, 2.2), start, draft.end, on))
    draft.add(effects=effects)


def roll_out(draft: Draft, role: str, start: float, share: float) -> Cause:
    """Give a share of the records a new version."""
    old = draft.world.model if role == "model_version" else draft.world.prompt
    new = draft.name(role.partition("_")[0])
    draft.add(rollouts=[Rollout(role, new, start, draft.end, share)])
    return Cause("model_version" if role == "model_version" else "prompt_version", role, new, start, old)


def add_bad_version(draft: Draft, role: str, start: float | None = None) -> None:
    """Roll a version out that is worse: at once, or as a canary."""
    start = draft.start if start is None else start
    share = 1.0 if draft.rng.random() < 0.6 else draft.share(0.15, 0.7)
    cause = roll_out(draft, role, start, share)
    make_worse(draft, (role, str(cause.value)), start)
    draft.add(causes=[cause])


def add_two_versions(draft: Draft, guilty: str) -> None:
    """Roll out a model and a prompt within a minute, each to a share of the records, of which one is worse."""
    roles = ("model_version", "prompt_version")
    low = max(0.3, min(0.7, 2 * LEAST_AFFECTED / draft.world.hourly))
    for role in roles:
        start = draft.start + draft.uniform(0, 1)
        cause = roll_out(draft, role, start, draft.uniform(low, 0.8))
        if role == guilty:
            make_worse(draft, (role, str(cause.value)), start)
            draft.add(causes=[cause])


def add_unit_change(draft: Draft, start: float) -> None:
    """Multiply or empty a column that comes from upstream."""
    draft.scenario = replace(draft.scenario, columns=(*draft.scenario.columns, "amount"))
    if draft.rng.random() < 0.5:
        factor = float(draft.rng.choice([0.001, 0.01, 0.4536, 1.609, 2.54, 100.0, 1000.0]))
        effect = Effect("amount", "scale", factor, start, draft.end)
    else:
        effect = Effect("amount", "null", draft.uniform(0.2, 1.0), start, draft.end)
    draft.add(effects=[effect], causes=[Cause("column", "amount", None, start)])


def add_tenant_fault(draft: Draft, start: float) -> None:
    """Make the answers to one tenant worse."""
    tenant = str(draft.rng.choice(draft.largest_tenants()))
    make_worse(draft, ("tenant", tenant), start)
    draft.add(causes=[Cause("tenant", "tenant", tenant, start)])


def add_distraction(draft: Draft) -> None:
    """Put a harmless new version before the change, in two thirds of the scenarios: for all records, or for some.

    The old version of the same role is not the one to go back to any more where the distraction took its place.
    """
    if draft.rng.random() < 1 / 3:
        return
    taken = {rollout.column for rollout in draft.scenario.rollouts}
    free = [role for role in ("model_version", "prompt_version") if role not in taken]
    if not free:
        return
    role = str(draft.rng.choice(free))
    share = 1.0 if draft.rng.random() < 0.5 else draft.uniform(0.1, 0.6)
    start = draft.start - draft.uniform(5.0, 50.0)
    draft.add(rollouts=[Rollout(role, draft.name(f"{role.partition('_')[0]}-quiet"), start, EVER, share)])


# ---------------------------------------------------------------------------------------------------------- the kinds


@kind
def model_swap(draft: Draft) -> None:
    add_bad_version(draft, "model_version")


@kind
def prompt_change(draft: Draft) -> None:
    add_bad_version(draft, "prompt_version")


@kind
def both_model_guilty(draft: Draft) -> None:
    add_two_versions(draft, "model_version")


@kind
def both_prompt_guilty(draft: Draft) -> None:
    add_two_versions(draft, "prompt_version")


@kind
def tenant_fault(draft: Draft) -> None:
    add_tenant_fault(draft, draft.start)


@kind
def new_category(draft: Draft) -> None:
    draft.scenario = replace(draft.scenario, columns=(*draft.scenario.columns, "plan"))
    value = draft.name("plan")
    draft.add(
        rollouts=[Rollout("plan", value, draft.start, draft.end, draft.share(0.1, 0.5))],
        causes=[Cause("category", "plan", value, draft.start)],
    )


@kind
def upstream_column(draft: Draft) -> None:
    add_unit_change(draft, draft.start)


@kind
def shadow_present(draft: Draft) -> None:
    value = draft.name("model-shadow")
    share = draft.share(0.3, 1.0)
    make_worse(draft, None, draft.start)
    worse = Challenger(value, share, draft.start, draft.scenario.effects)
    draft.scenario = replace(draft.scenario, challenger=worse, effects=())


@kind
def cheaper_model(draft: Draft) -> None:
    draft.scenario = replace(draft.scenario, columns=(*draft.scenario.columns, "cost"))
    share = 1.0 if draft.rng.random() < 0.6 else draft.share(0.3, 0.8)
    new = str(roll_out(draft, "model_version", draft.start, share).value)
    draft.add(
        effects=[Effect("price", "scale", draft.uniform(0.2, 0.7), draft.start, draft.end, ("model_version", new))]
    )


@kind
def provider_latency(draft: Draft) -> None:
    draft.add(
        effects=[Effect("latency", "scale", draft.uniform(1.5, 4.0), draft.start, draft.end)],
        causes=[Cause("latency", "latency", None, draft.start)],
    )


@kind
def label_shift(draft: Draft) -> None:
    world = replace(draft.world, labelled=True, texts=False)
    columns = ("latency", "failed", "score")
    draft.scenario = replace(draft.scenario, world=world, columns=columns)
    positive = float(np.clip(world.positive + draft.uniform(0.2, 0.4), 0, 1))
    draft.add(
        effects=[Effect("positive", "rate", positive, draft.start, draft.end)],
        causes=[Cause("label", "label", None, draft.start)],
    )


@kind
def traffic_growth(draft: Draft) -> None:
    draft.add(volumes=[Volume(draft.uniform(1.4, 4.0), draft.start, draft.end, draft.uniform(0, 60))])


@kind
def source_outage(draft: Draft) -> None:
    end = draft.start + draft.uniform(40.0, 90.0)
    draft.add(volumes=[Volume(0.0, draft.start, end)], causes=[Cause("source", "source", None, draft.start)])


@kind
def two_causes(draft: Draft) -> None:
    """Two causes within twenty minutes: an upstream change, and a bad version or a fault of one tenant."""
    add_unit_change(draft, draft.start)
    later = draft.start + draft.uniform(0, 20)
    other = draft.rng.integers(3)
    if other == 2:
        add_tenant_fault(draft, later)
    else:
        add_bad_version(draft, ("model_version", "prompt_version")[other], later)


@kind
def second_cause(draft: Draft) -> None:
    """A bad version that comes in while the incident of another cause is open."""
    first = draft.rng.integers(3)
    if first == 0:
        add_tenant_fault(draft, draft.start)
    elif first == 1:
        add_unit_change(draft, draft.start)
    else:
        add_bad_version(draft, "prompt_version")
    later = draft.start + draft.uniform(75.0, 110.0)
    draft.end = EVER  # the first may end; the second must not end before it begins
    add_bad_version(draft, "model_version", later)
    draft.scenario = replace(draft.scenario, live=max(draft.scenario.live, later + 90.0))


WITHOUT_DISTRACTION = ("both_model_guilty", "both_prompt_guilty", "second_cause")
"""Kinds in which several versions come in by themselves."""
