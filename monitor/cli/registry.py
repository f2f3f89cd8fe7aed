"""The commands of driftd by name; a command is imported when it is run or its help is printed."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from detectors.registry import Registry

COMMANDS = {  # name: (module and function, summary in `driftd --help`)
    "init": ("monitor.cli.init:init", "Inspect a database and write a first driftd.yaml."),
    "readiness": ("monitor.cli.readiness:readiness", "List what each monitor can measure, and what is missing."),
    "demo": ("monitor.cli.demo.command:demo", "Run driftd on a recorded model swap."),
    "run": ("monitor.cli.run:run", "Run the daemon until SIGTERM or SIGINT."),
    "check": ("monitor.cli.check:check", "Compare one window with its baseline."),
    "backfill": ("monitor.cli.backfill:backfill", "Compute past buckets, without alerts."),
    "backtest": ("monitor.cli.backtest:backtest", "Replay a past period with the current configuration."),
    "simulate": ("monitor.cli.simulate:simulate", "Inject a drift into past records; is it detected?"),
    "status": ("monitor.cli.status:status", "Print the status of every monitor."),
    "incidents": ("monitor.cli.incidents:incidents", "List incidents; acknowledge, assign and comment on them."),
    "report": ("monitor.cli.report:report", "Write an Evidently report of a window and its baseline."),
    "drilldown": ("monitor.cli.drilldown:drilldown", "Find the columns that separate a window from its baseline."),
    "experiments": ("monitor.cli.experiments:experiments", "Print the results of experiments so far."),
    "savings": ("monitor.cli.savings:savings", "Estimate the cost of the same requests on other models."),
    "shadows": ("monitor.cli.shadows:shadows", "Compare challengers with champions on the same requests."),
    "import": ("monitor.cli.import_file:import_file", "Append a file of records to a database table."),
    "score": ("monitor.cli.score:score", "Compute signals for the records of a file."),
    "guard": ("monitor.cli.guard:guard", "Check the texts of a file with a guardrail policy."),
    "health": ("monitor.cli.health:health", "Exit 0 if the daemon on this host answers."),
    "version": ("monitor.cli.version:version", "Print the version."),
    "config": ("monitor.cli.config:config", "Check the configuration, or print its JSON schema."),
    "db": ("monitor.cli.db:db", "Manage driftd's own database."),
    "baseline": ("monitor.cli.baseline:baseline", "Show or relearn the data that windows are compared with."),
    "actions": ("monitor.cli.actions:actions", "List, show, approve, reject and resend actions; test receivers."),
    "audit": ("monitor.cli.audit:audit", "List what people did, when, by which channel, and why."),
    "reveal": ("monitor.cli.reveal:reveal", "Look up the value that a hash stands for."),
    "erase": ("monitor.cli.erase:erase", "Erase what the store has about a record, tenant or value."),
    "tokens": ("monitor.cli.tokens:tokens", "Create, list and revoke tokens of people and machines."),
    "events": ("monitor.cli.events:events", "Record and list deployments, which incidents name."),
    "silence": ("monitor.cli.silence:silence", "Mute the alerts of a rule for a limited time."),
    "prompts": ("monitor.cli.prompts:prompts", "Registry of prompt versions, matched with the records."),
    "labels": ("monitor.cli.labels:labels", "Import labels that are not in the source."),
    "breakers": ("monitor.cli.breakers:breakers", "List circuit breakers, and open or close one manually."),
    "eval": ("monitor.cli.eval:evaluations", "Run evaluation suites; compare runs with the last good ones."),
}


class Commands(Registry[Any]):
    """A mapping of names to commands of the command-line library."""

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401
        """Import the module of a command and return the command, with its options."""
        target = super().__getitem__(name)
        if isinstance(target, typer.Typer):
            command: Any = typer.main.get_group(target)
            command.help = command.help or COMMANDS[name][1]
        else:
            single = typer.Typer(rich_markup_mode=None, add_completion=False)
            single.command(name)(target)
            command = typer.main.get_command(single)
        command.name = name
        return command


class LazyGroup(TyperGroup):
    """Group of all commands; printing its help imports no command."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401
        super().__init__(**settings)
        self.commands: Any = Commands({name: target for name, (target, _) in COMMANDS.items()})

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002
        """Return the names of all commands."""
        return list(COMMANDS)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002
        """Write the summaries of all commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])
