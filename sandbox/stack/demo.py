"""The whole site on this machine, with its data kept in var/ from one run to the next."""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from sandbox.stack import postgres, state, valkey
from sandbox.stack.environment import (
    DEMO_PASSWORD,
    DEMO_USERS,
    TEST_STRIPE,
    given,
    real_stripe,
    redis_url,
    with_other_number,
)
from sandbox.stack.ports import HOST, holder, is_free
from sandbox.stack.processes import FOLDER_VARIABLE, Process, StackError
from sandbox.stack.site import Site
from sandbox.stack.supervision import Interrupted, Supervision, supervision
from sandbox.stripe.cards import CARDS_BY_NUMBER

PORTS = {
    "WEB_PORT": 8000,
    "SANDBOX_PORT": 8010,
    "INBOX_PORT": 8020,
    "SMTP_PORT": 8025,
    "POSTGRES_PORT": 8032,
    "VALKEY_PORT": 8079,
}
# Which of them a server in the environment makes superfluous.
_REPLACED_BY = {
    "DATABASE_URL": ("POSTGRES_PORT",),
    "REDIS_URL": ("VALKEY_PORT",),
    "EMAIL_URL": ("INBOX_PORT", "SMTP_PORT"),
    "STRIPE_SECRET_KEY": ("SANDBOX_PORT",),
}
WEBHOOK_PATH = "/webhooks/stripe/"
TEST_CARDS = ("4242424242424242", "4000000000000002", "4000000000009995", "4000000000003220")


def demo() -> int:
    """Run the site until a signal (0) or until one of its processes ends by itself (StackError)."""
    began = time.monotonic()
    var = state.folder()
    with state.only_run(var), supervision() as run:
        try:
            ports = chosen_ports()
            environment = site_environment(var, ports)
            if state.end_leftovers(var):
                say("the last run was cut off; what it left has ended")
            check_ports(ports)
            state.turn_logs(var)
            start(run, Site(environment=environment, folder=var), ports)
            state.describe_run(var, environment["SITE_URL"])
            say_where(environment, ports, seconds=time.monotonic() - began)
            run.watch()
        except Interrupted:
            say("stopping")
            run.stop()
            say(f"stopped; the data is kept in {var} (make demo-reset throws it away)")
        except StackError:
            if run.started:
                say("stopping, because of an error")
            raise
    return 0


def reset() -> int:
    """Throw the demo's data away. Raises StackError while a demo runs."""
    var = state.folder()
    with state.only_run(var):
        state.remove(var)
    say(f"the demo's data in {var} is gone")
    return 0


def chosen_ports(environment: Mapping[str, str] = os.environ) -> dict[str, int]:
    """The port of each part that will be started. Raises StackError for no port, or one chosen twice."""
    unused = {name for url, names in _REPLACED_BY.items() if given(url, environment) for name in names}
    ports: dict[str, int] = {}
    for name, default in PORTS.items():
        if name in unused:
            continue
        text = given(name, environment) or str(default)
        if not text.isdecimal() or not 1024 <= int(text) <= 65_535:
            raise StackError(f"{name}={text} is not a port: give a number from 1024 to 65535")
        other = next((other for other, port in ports.items() if port == int(text)), None)
        if other:
            raise StackError(f"{name} and {other} are both {text}: give each its own port")
        ports[name] = int(text)
    return ports


def check_ports(ports: Mapping[str, int]) -> None:
    """Raise StackError naming every port that is taken, by whom, and what to do."""
    taken = []
    for name, port in ports.items():
        if not is_free(port):
            who = holder(port) or "another program"
            free = next((other for other in range(port + 1, 65_536) if is_free(other)), 0)
            taken.append(f"port {port} is taken by {who}: stop it or run `make demo {name}={free}`")
    if taken:
        raise StackError("\n         ".join(taken))


def site_environment(var: Path, ports: Mapping[str, int]) -> dict[str, str]:
    """The caller's environment with everything that the site reads; what the caller gave is kept."""
    stripe = real_stripe() or TEST_STRIPE | {
        "STRIPE_API_BASE": f"http://{HOST}:{ports['SANDBOX_PORT']}",
        "STRIPE_JS_URL": f"http://{HOST}:{ports['SANDBOX_PORT']}/stripe.js",
    }
    broker_url = given("REDIS_URL") or redis_url(ports["VALKEY_PORT"], number=0)
    defaults = {
        "DEBUG": "0",
        "SECRET_KEY": given("SECRET_KEY") or state.secret_key(var),
        "SITE_URL": f"http://{HOST}:{ports['WEB_PORT']}",
        "DATABASE_URL": given("DATABASE_URL") or postgres.database_url(ports["POSTGRES_PORT"]),
        "REDIS_URL": broker_url,
        "CACHE_URL": with_other_number(broker_url, 1),
        "EMAIL_URL": given("EMAIL_URL") or f"smtp://{HOST}:{ports['SMTP_PORT']}",
        "MEDIA_ROOT": str(var / "media"),
        "STATIC_ROOT": str(var / "static"),
        "DEMO_PASSWORD": DEMO_PASSWORD,
        "LEDGER_SIGNING_KEY": given("LEDGER_SIGNING_KEY") or state.ledger_key(var),
    }
    chosen = {name: given(name) or default for name, default in defaults.items()}
    return os.environ | chosen | stripe | {FOLDER_VARIABLE: str(var)}


def start(run: Supervision, site: Site, ports: Mapping[str, int]) -> None:
    """Start everything that `ports` has a port for. Raises StackError when a part does not come up."""
    servers = embedded_servers(site, ports)
    say("starting " + ", ".join(process.name for process in servers) if servers else "all servers are given")
    run.start(*servers)
    check_servers(site.environment)
    say("preparing the database, the sample campaign and the static files")
    run.finish(site.prepare())
    say("starting web, worker, mailer, beat")
    run.start(site.web(ports["WEB_PORT"]), site.worker(queues="celery,runs"), site.mailer(), site.beat())


def embedded_servers(site: Site, ports: Mapping[str, int]) -> list[Process]:
    """The stand-ins for the servers that the environment does not name."""
    servers = []
    if "POSTGRES_PORT" in ports:
        log_path = site.log_path("postgres")
        servers.append(postgres.postgres(port=ports["POSTGRES_PORT"], folder=site.folder, log_path=log_path))
    if "VALKEY_PORT" in ports:
        log_path = site.log_path("valkey")
        servers.append(valkey.valkey(port=ports["VALKEY_PORT"], folder=site.folder, log_path=log_path))
    if "SANDBOX_PORT" in ports:
        webhook_url = f"http://{HOST}:{ports['WEB_PORT']}{WEBHOOK_PATH}"
        servers.append(site.sandbox(ports["SANDBOX_PORT"], webhook_url=webhook_url, kept=True))
    if "INBOX_PORT" in ports:
        servers.append(site.inbox(ports["INBOX_PORT"], smtp_port=ports["SMTP_PORT"]))
    return servers


def check_servers(environment: Mapping[str, str]) -> None:
    """Raise StackError when a server named by the caller does not answer."""
    if not postgres.answers(environment["DATABASE_URL"]):
        raise StackError("no PostgreSQL answers at DATABASE_URL: check it, or unset it to use the embedded one")
    if not valkey.answers(environment["REDIS_URL"]):
        raise StackError("no Redis or Valkey answers at REDIS_URL: check it, or unset it to use the embedded one")


def say_where(environment: Mapping[str, str], ports: Mapping[str, int], *, seconds: float) -> None:
    """Print where everything is and how to get in."""
    site_url = environment["SITE_URL"].rstrip("/")
    rows = [
        ("Site", f"{site_url}/"),
        ("Staff", f"{site_url}/staff/"),
        ("", f"log in as {', '.join(DEMO_USERS[:-1])} or {DEMO_USERS[-1]}"),
        ("", f"with the password {environment['DEMO_PASSWORD']}"),
    ]
    if "INBOX_PORT" in ports:
        rows.append(("Inbox", f"http://{HOST}:{ports['INBOX_PORT']}/   every message the site sends"))
    if "SANDBOX_PORT" in ports:
        rows.append(("Stripe sandbox", f"http://{HOST}:{ports['SANDBOX_PORT']}/   no money moves"))
    else:
        rows.append(("Stripe test mode", f"stripe listen --forward-to {site_url}{WEBHOOK_PATH}"))
    cards = [
        f"{number[:4]} {number[4:8]} {number[8:12]} {number[12:]}  {CARDS_BY_NUMBER[number].says}"
        for number in TEST_CARDS
    ]
    rows += [("" if row else "Test cards", text) for row, text in enumerate(cards)]
    table = "\n".join(f"  {name:<17} {text}" for name, text in rows)
    folder, elsewhere = state.folder(), postgres.open_folder_of(state.folder())
    kept = f"\n  `nobody` cannot enter {folder}: PostgreSQL's data is in {elsewhere}." if elsewhere else ""
    say(f"ready after {seconds:.1f} s\n\n{table}\n{kept}\n  Logs are in {folder / 'log'}. Ctrl-C stops everything.\n")


def say(text: str) -> None:
    """Print; a terminal that has gone away must not keep us from stopping what we started."""
    try:
        print(f"twofold: {text}", flush=True)
    except OSError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (until the end)
