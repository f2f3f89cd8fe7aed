"""The scenarios whose messages are shown: traffic of a support bot, what goes wrong in it, and what people do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from benchmarks.causes.truth import LIVE, Challenger, Effect, Rollout, Scenario, Volume, World

ALWAYS = 1e9
EVALUATION = "evaluation"
"""The story of an evaluation suite, which runs beside the traffic."""
BOT = World(
    hourly=1200,
    tenants=(("acme", 0.5), ("globex", 0.3), ("initech", 0.2)),
    model="large-70b",
    prompt="support-v7",
    replaced=None,
    beside=None,
    failed=0.02,
    latency=0.9,
    tokens=180,
)
READER = World(**{**BOT.__dict__, "hourly": 300, "texts": True, "wrong": 0.2})


EXPERIMENT = {
    "name": "small-model",
    "control": "large-70b",
    "treatments": ["small-7b"],
    "from": LIVE,
    "metrics": {"latency": {"better": "lower", "minimum": 0.1, "winsorize_above": 20}},
    "planned": 2000,
}
SHADOW = {
    "name": "small-model",
    "champion": "large-70b",
    "challenger": "small-7b",
    "join": "request",
    "from": LIVE,
    "answer": "output_tokens",
    "same": "numeric",
    "min_agreement": 0.9,
}
DEPLOYED = {
    "version": "2026.11.2",
    "commit": "1a2b3c4d5e6f7a8b9c0d",
    "author": "Ada",
    "link": "https://ci.example.com/deployments/7",
}
BREAKER = {"name": "failures", "rate": "failed", "above": 0.3, "open_for": "10m"}


@dataclass(frozen=True)
class Story:
    """A scenario with its configuration.

    Parameters
    ----------
    rules
        Settings of the rules, see driftd.yaml.
    freeze
        The part of the day during which effects are held.
    elsewhere
        Number of other monitors, all of which fire.
    approves
        What people do with an effect that waits for approval.
    blind
        Minutes between which the source cannot be read.
    deployed
        Minute and keys of a deploy event that is reported.
    others
        Scenarios of further applications, by the name of their monitor; only the digests are shown then.
    """

    name: str
    title: str
    scenario: Scenario
    monitor: Mapping[str, object] = field(default_factory=dict)
    mode: Literal["approve", "auto", "notify"] = "approve"
    freeze: Mapping[str, str] = field(default_factory=dict)
    elsewhere: int = 0
    dry_run: bool = False
    approves: bool = True
    blind: tuple[float, float] | None = None
    deployed: tuple[float, Mapping[str, object]] | None = None
    others: Mapping[str, Scenario] = field(default_factory=dict)


def scenario(
    world: World = BOT,
    columns: tuple[str, ...] = ("latency", "failed"),
    live: float = 210.0,
    rollouts: tuple[Rollout, ...] = (),
    effects: tuple[Effect, ...] = (),
    volumes: tuple[Volume, ...] = (),
    challenger: Challenger | None = None,
    seed: int = 7,
) -> Scenario:
    return Scenario("message", 1, seed, world, live, columns, rollouts, effects, volumes, challenger, baseline=360.0)


def failing(seed: int, rate: float, latency: float = 1.0, start: float = 20) -> Scenario:
    """Return traffic whose requests fail for up to 40 minutes, and may be slower as well."""
    effects = (Effect("failed", "rate", rate, start, 60), Effect("latency", "scale", latency, start, 60))
    return scenario(effects=effects[: 1 + (latency > 1)], live=180.0, seed=seed)


def story_list() -> list[Story]:
    """Return the stories in the order of the page."""
    small, prompt = ("model_version", "small-7b"), ("prompt_version", "support-v8")
    return [
        Story(
            "model-swap",
            "A worse model, and a rollback that is approved",
            scenario(
                READER,
                ("latency", "failed", "hallucinated"),
                rollouts=(Rollout("model_version", "small-7b", 20, 45),),
                effects=(Effect("wrong", "rate", 0.75, 20, 45, small),),
            ),
            {"checks": ["drift", {"rate": {"signal": "hallucinated"}}]},
        ),
        Story(
            "prompt-change",
            "A worse prompt for a part of the traffic, and a rollback without approval",
            scenario(
                rollouts=(Rollout("prompt_version", "support-v8", 20, 31, 0.4),),
                effects=(Effect("failed", "rate", 0.3, 20, 31, prompt),),
            ),
            mode="auto",
        ),
        Story(
            "no-help",
            "A rollback that does not help escalates",
            scenario(
                rollouts=(Rollout("model_version", "small-7b", 20, 90),),
                effects=(Effect("failed", "rate", 0.3, 20, 90, small),),
                live=150.0,
            ),
            {"escalate": [{"after": "12h", "do": ["lead"]}]},
            mode="auto",
        ),
        Story(
            "not-verifiable",
            "A rollback that cannot be verified, since the traffic ends",
            scenario(
                rollouts=(Rollout("model_version", "small-7b", 20, 30),),
                effects=(Effect("failed", "rate", 0.4, 20, 30, small),),
                volumes=(Volume(0.05, 30, 90),),
                live=120.0,
            ),
        ),
        Story(
            "freeze",
            "A rollback that is held by a freeze window",
            scenario(
                rollouts=(Rollout("model_version", "small-7b", 20, 90),),
                effects=(Effect("failed", "rate", 0.3, 20, 90, small),),
                live=150.0,
            ),
            mode="auto",
            freeze={"start_time": "12:00", "end_time": "13:00"},
        ),
        Story(
            "held-by-storm",
            "Most monitors fire at once, so an automatic rollback waits for approval",
            scenario(
                rollouts=(Rollout("model_version", "small-7b", 20, 50),),
                effects=(Effect("failed", "rate", 0.3, 20, 50, small),),
                live=120.0,
            ),
            mode="auto",
            elsewhere=3,
            approves=False,
        ),
        Story(
            "not-approved",
            "A rollback that nobody approves",
            scenario(
                rollouts=(Rollout("model_version", "small-7b", 20, 130),),
                effects=(Effect("failed", "rate", 0.25, 20, 130, small),),
                live=260.0,
            ),
            approves=False,
        ),
        Story(
            "dry-run",
            "A rollback that is a dry run",
            scenario(
                rollouts=(Rollout("model_version", "small-7b", 20, 60),),
                effects=(Effect("latency", "scale", 3.0, 20, 60, small),),
            ),
            mode="auto",
            dry_run=True,
        ),
        Story(
            "tenant",
            "Failures of one tenant, with updates and reminders",
            scenario(
                effects=(
                    Effect("failed", "rate", 0.3, 20, 200, ("tenant", "globex")),
                    Effect("latency", "scale", 2.5, 100, 200, ("tenant", "globex")),
                ),
                live=330.0,
            ),
        ),
        Story(
            "upstream",
            "A column in another unit",
            scenario(
                columns=("latency", "failed", "amount"), effects=(Effect("amount", "scale", 0.45, 20, 50),), live=240.0
            ),
        ),
        Story(
            "category",
            "A new value of a column",
            scenario(
                columns=("latency", "failed", "plan"), rollouts=(Rollout("plan", "trial", 20, 45, 0.2),), live=240.0
            ),
        ),
        Story(
            "escalation",
            "An incident that nobody acknowledges escalates to another receiver",
            scenario(effects=(Effect("failed", "rate", 0.3, 20, 60),)),
            {"escalate": [{"after": "30m", "do": ["lead"]}]},
        ),
        Story(
            "deploy",
            "A deployment of the application, which the log does not show",
            scenario(effects=(Effect("failed", "rate", 0.3, 20, 60),)),
            deployed=(18.0, DEPLOYED),
        ),
        Story("provider", "A slow provider", scenario(effects=(Effect("latency", "scale", 2.5, 20, 80),))),
        Story(
            "experiment",
            "An experiment that is lost",
            scenario(
                rollouts=(Rollout("model_version", "small-7b", 0, ALWAYS, 0.5),),
                effects=(Effect("latency", "scale", 1.6, 0, ALWAYS, small),),
                live=120.0,
            ),
            {"rules": [], "experiments": [{**EXPERIMENT, "do": ["slack", "email", "hook"]}]},
        ),
        Story(
            "shadow",
            "A shadow whose answers disagree",
            scenario(
                live=90.0,
                challenger=Challenger("small-7b", 0.5, 0, (Effect("output_tokens", "scale", 1.3, 0, ALWAYS),)),
            ),
            {"rules": [], "shadows": [{**SHADOW, "do": ["slack", "email", "hook"]}]},
        ),
        Story(
            "breaker",
            "A circuit breaker opens and closes",
            scenario(effects=(Effect("failed", "rate", 0.6, 20, 40),), live=60.0),
            {"rules": [], "breakers": [{**BREAKER, "do": ["slack", "email", "hook"]}]},
        ),
        Story(EVALUATION, "An evaluation suite that regresses", scenario()),
        Story("no-data", "The application stops logging", scenario(volumes=(Volume(0.0, 20, 70),), live=120.0)),
        Story(
            "storm",
            "A gateway that fails for all applications",
            failing(7, 0.3),
            others={
                "search": failing(11, 0.3, start=25),
                "summaries": failing(12, 0.25),
                "translation": failing(13, 0.35),
                "triage": failing(14, 0.15, latency=2.0),
                "classifier": failing(15, 0.3),
                "reports": failing(16, 0.25, latency=1.8),
            },
        ),
        Story("source-error", "The source cannot be read", scenario(live=120.0), blind=(20.0, 70.0)),
    ]
