"""12 secrets and 12 personal values in every column of a source: none is seen in anything that driftd makes."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
import yaml
from structlog.testing import capture_logs

from monitor.cli.connections import open_store
from monitor.cli.factory import make_daemon
from monitor.cli.options import load_config
from monitor.config.models import Config
from monitor.store.database import Database
from monitor.web.app import create_app
from monitor.web.permissions import PERMISSIONS
from monitor.web.server import Server
from tests.faults import tally
from tests.faults.canaries import CANARIES, PERSONAL, SECRETS, search, spread
from tests.support import smtp
from tests.support.hand import Hand
from tests.support.receiver import Receiver, listening, slack
from tests.support.world import START, World

HOUR = timedelta(hours=1)
HOURS, BASELINE, PER_HOUR = 10, 6, 200
SECRET = "whsec_c2VjcmV0LW9mLXRoZS1ob29r"
READING = (
    ("status",),
    ("incidents",),
    ("baseline", "show"),
    ("actions", "list"),
    ("breakers", "list"),
    ("audit",),
    ("config", "check"),
    ("experiments",),
)
"""Commands that show values; the long test runs every reading command."""
FURTHER = (
    ("check",),
    ("backtest", "--from", (START + BASELINE * HOUR).isoformat(), "--to", (START + HOURS * HOUR).isoformat()),
    ("simulate", "--at", (START + HOURS * HOUR).isoformat()),
    ("drilldown", "--at", (START + HOURS * HOUR).isoformat()),
    ("readiness",),
    ("shadows",),
    ("savings",),
    ("db", "size"),
    ("events", "list"),
    ("silence", "list"),
    ("tokens", "list"),
    ("prompts", "list"),
    ("eval", "list"),
)


def plant(url: str, hours: int = HOURS, per_hour: int = PER_HOUR) -> None:
    """Log requests with canaries in every column; in the last hours, prices and the mix of channels change."""
    rng, count = np.random.default_rng(7), hours * per_hour
    late = np.arange(count) >= BASELINE * per_hour
    versions = [value for name, value in CANARIES.items() if not name.startswith("IP")]

    def told(usual: str) -> list[str]:
        return [f"{usual} {value}" for value in spread(rng, ["nothing"], count)]

    frame = pd.DataFrame(
        {
            "id": [f"r{place}" for place in range(count)],
            "at": [(START + HOUR * (place / per_hour)).strftime("%Y-%m-%d %H:%M:%S.%f") for place in range(count)],
            "tenant": spread(rng, ["acme", "globex", "initech"], count),
            "user_id": spread(rng, [f"u{place}" for place in range(40)], count),
            "model": np.where(rng.random(count) < 0.05, rng.choice(versions, count), np.where(late, "v2", "v1")),
            "prompt": np.where(rng.random(count) < 0.05, rng.choice(versions, count), "ask@1"),
            "question": told("My data are"),
            "answer": told("Your data are"),
            "channel": np.where(late, spread(rng, ["web", "fax"], count, 0.6), rng.choice(["web", "app"], count)),
            "error": told("failed for"),
            "region": spread(rng, ["north", "south"], count),
            "metadata": [json.dumps({"owner": value}) for value in spread(rng, ["ops"], count)],
            "cost": np.where(late, 3.0, 1.0) * rng.lognormal(0, 0.2, count),
        }
    )
    engine = sa.create_engine(url)
    frame.to_sql("log", engine, index=False)
    engine.dispose()


def configure(folder: Path, url: str, receivers: Mapping[str, Any]) -> Path:
    roles = {"timestamp": "at", "id": "id", "tenant": "tenant", "user": "user_id", "model_version": "model"}
    roles |= {
        "prompt_version": "prompt",
        "question": "question",
        "response": "answer",
        "cost": "cost",
        "error": "error",
    }
    spend = {"daily": 200, "by": "tenant", "limits": {PERSONAL["e-mail"]: 1.0, "acme": 5000}, "name": "tenants"}
    trial = {"name": "t", "arm": "model_version", "control": "v1", "treatments": ["v2"], "from": START.isoformat()}
    monitor = {
        "name": "bot",
        "source": {"url": url, "table": "log", "columns": roles},
        "bucket": "1h",
        "window": "1h",
        "settle": "0s",
        "catch_up": "3650d",
        "min_samples": 30,
        "baseline": {"from": START.isoformat(), "to": (START + BASELINE * HOUR).isoformat()},
        "segments": ["tenant", "region", "user"],
        "max_segments": 50,
        "signals": ["pii", "secrets", "failed"],
        "features": ["cost", "channel", "region", "tenant", "error", "metadata"],
        "checks": ["drift", "quality", {"spend": spend}],
        "experiments": [{**trial, "unit": "user", "metrics": {"cost": {"better": "lower"}}}],
        "breakers": [{"name": "money", "budget": "tenants", "do": list(receivers)[:1]}],
        "rules": [{"name": "any", "when": ["*"], "severity": "critical", "do": [*receivers]}],
    }
    path = folder / "driftd.yaml"
    store = f"sqlite:///{folder / 'driftd.db'}"
    path.write_text(yaml.safe_dump({"store": store, "receivers": dict(receivers), "monitors": [monitor]}))
    return path


class Sinks:
    """What driftd made, by where it was found."""

    def __init__(self) -> None:
        self.searched = 0
        self.seen: dict[str, list[str]] = {}

    def add(self, name: str, data: bytes | str) -> None:
        """Search one output."""
        self.searched += 1
        if found := search(data.encode() if isinstance(data, str) else data):
            self.seen[name] = found


def work(config: Config, database: Database, sinks: Sinks) -> None:
    """Run the daemon over all hours, with its deliveries; search its log."""
    with capture_logs() as logs:
        daemon = make_daemon(database, config, Hand(START))
        for hour in range(1, HOURS + 1):
            daemon.clock.moment = START + hour * HOUR  # type: ignore[attr-defined]
            daemon.tick_all()
            daemon.deliver()
        for job in daemon.monitors:
            job.close()
    assert not [entry for entry in logs if entry["event"].endswith("_failed")]
    sinks.add("log", json.dumps(logs, default=str))


def read_pages(config: Config, database: Database, sinks: Sinks) -> int:
    """Get every page and every answer of the API; return how many there were."""
    server = Server(create_app(database, config, Hand(START + HOURS * HOUR)), "127.0.0.1:0")
    server.start()
    got = 0
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as client:
        incidents = client.get("/api/v1/incidents").json()["incidents"]
        actions = client.get("/api/v1/actions").json()["actions"]
        assert incidents and actions
        for address in addresses(incidents[0]["id"], actions[0]["id"]):
            answer = client.get(address)
            assert answer.status_code < 500, address
            got += answer.status_code == 200
            sinks.add(f"GET {address.partition('?')[0]}", answer.content + str(dict(answer.headers)).encode())
        for value in CANARIES.values():
            answer = client.get("/api/v1/breakers/money", params={"tenant": value})
            sinks.add("GET /api/v1/breakers/money", answer.content)
    server.stop()
    return got


def addresses(incident: str, action: str) -> Iterator[str]:
    """Yield the address of every route that can be read."""
    fill = {
        "{name}": "bot",
        "{experiment:path}": "t",
        "{shadow:path}": "s",
        "{which:path}": "x",
        "{name:path}": "page.css",
    }
    for route in PERMISSIONS:
        method, _, path = route.partition(" ")
        if method != "GET" or path.endswith(("breakers/{name}", "/examples", "{name:path}")):
            continue
        path = path.replace("{id}", action if "actions" in path else incident)
        for hole, value in fill.items():
            path = path.replace(hole, value)
        yield path


def plant_and_run(folder: Path, sinks: Sinks) -> tuple[Path, int]:
    """Plant the canaries, run the daemon with receivers at the wire, and search all that it makes."""
    url = f"sqlite:///{folder / 'source' / 'log.db'}"
    (folder / "source").mkdir()
    plant(url)
    chat, mails = slack(), smtp.MailServer()
    with ExitStack() as stack:
        hook = stack.enter_context(listening(Receiver()))
        stack.enter_context(listening(chat))
        stack.enter_context(smtp.listening(mails))
        mail = {"server": mails.address, "security": "none", "from": "d@x.org", "to": ["o@x.org"]}
        effect = {"kind": "rollback", "mode": "auto"}
        receivers = {
            "hook": {"kind": "webhook", "url": hook.url, "secret": SECRET},
            "chat": {"kind": "slack", "channel": "#ml", "token": "xoxb-1-a", "base_url": f"{chat.url}/api/"},
            "mail": {
                "kind": "email",
                "server": mails.address,
                "security": "none",
                "from": "d@x.org",
                "to": ["o@x.org"],
            },
            "back": {"kind": "webhook", "url": hook.url, "secret": SECRET, "effect": effect},
        }
        path = configure(folder, url, receivers)
        config = load_config(path)
        with open_store(config, upgrade=True) as database:
            work(config, database, sinks)
            pages = read_pages(config, database, sinks)
            for file in folder.glob("driftd.db*"):  # with the write-ahead log, which exists while the store is open
                sinks.add(file.name, file.read_bytes())
    for number, request in enumerate([*hook.requests, *chat.requests]):
        sinks.add(f"request {number} to {request.path}", request.body + str(request.headers).encode())
    for mail in mails.mails:
        sinks.add(
            "mail",
            mail.as_bytes()
            + str(mail).encode()
            + b"".join(part.get_payload(decode=True) or b"" for part in mail.walk() if not part.is_multipart()),
        )  # type: ignore[operator]
    assert hook.requests and chat.requests and mails.mails
    return path, pages


def test_no_canary_is_seen_in_any_sink(tmp_path: Path) -> None:
    sinks = Sinks()
    path, pages = plant_and_run(tmp_path, sinks)
    assert pages > 20
    world = World(tmp_path, f"sqlite:///{tmp_path / 'unused.db'}")
    with closing(world):
        run_commands(world, READING, sinks, "--json")
    check_folders(tmp_path, path, sinks)
    assert sinks.seen == {}
    assert len(SECRETS) == len(PERSONAL) == 12


@pytest.mark.nightly
def test_no_canary_is_seen_in_any_command(tmp_path: Path) -> None:
    sinks = Sinks()
    path, _ = plant_and_run(tmp_path, sinks)
    world = World(tmp_path, f"sqlite:///{tmp_path / 'unused.db'}")
    with closing(world):
        for options in ((), ("--json",)):
            run_commands(world, (*READING, *FURTHER), sinks, *options)
        run_commands(world, [("report", "--at", (START + HOURS * HOUR).isoformat(), "-o", "report.html")], sinks)
    check_folders(tmp_path, path, sinks)
    tally.COUNTS["outputs searched for canaries"] = sinks.searched
    tally.COUNTS["canaries seen"] = sum(map(len, sinks.seen.values()))
    assert sinks.seen == {}


def run_commands(world: World, commands: Any, sinks: Sinks, *options: str) -> None:
    """Run commands, and search what they print."""
    _, incidents = world.json("incidents")
    _, actions = world.json("actions", "list")
    single = [("incidents", "show", incidents[0]["id"]), ("actions", "show", actions[0]["id"])]
    for command in [*commands, *single]:
        done = world.run(*command, *options)
        assert done.returncode in (0, 1, 2) and "Traceback" not in done.stderr, (command, done.stderr)
        sinks.add(" ".join((*command[:2], *options)), done.stdout + done.stderr)


def check_folders(folder: Path, config: Path, sinks: Sinks) -> None:
    """Search every file of the folder and the temporary files, except the source and the configuration."""
    for place in (folder, Path(tempfile.gettempdir())):
        files = folder.rglob("*") if place == folder else place.glob("driftd*")
        for file in files:
            if file.is_file() and file != config and folder / "source" not in file.parents:
                sinks.add(f"file {file.name}", file.read_bytes())
