"""Part 2: pages a second from the web server as it is run, beside an empty view of the same server.

The load comes from one more process on the same cores (tests/benchmarks/load.py), so a page's rate is lower than the
server alone would reach; the processor time of a page is the server's own. Beside it stand the statements a second that
the web server sent to PostgreSQL meanwhile: with nothing given, and while gifts come in.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sandbox.stack.ports import HOST, free_port
from sandbox.stack.site import ROOT, Site
from tests import factories
from tests.benchmarks import scene, tables
from tests.benchmarks.processor import postgres_pid, tree_seconds
from tests.benchmarks.statements import Statements, logged_statements

SECONDS = 4.0
CONNECTIONS = 16
WORKERS, THREADS = 2, 8
GIFTS_A_SECOND = 10
_EMPTY = "/_empty/"
_PAGES = {
    "empty view": _EMPTY,
    "campaign": "/",
    "fund": "/funds/education/",
    "progress": "/progress/",
    "form, first visit": "/give/",
    "funds": "/funds/",
    "match": "/match/",
    "wall": "/wall/",
    "lobby's screen": "/live/",
    "frame for other sites": "/embed/progress/",
    "form, own amount": "/give/?amount=77",
}
_NEVER_KEPT = "/give/?amount=77&made=up"
_WITHOUT_GIFTS = ("form, own amount", "empty view")

Figures = dict[str, float]


def show() -> None:
    scene.campaign()
    with tempfile.TemporaryDirectory(prefix="twofold-bench-") as folder, logged_statements() as statements:
        port = free_port()
        site = Site(environment=_environment(Path(folder), port), folder=Path(folder))
        collect = site.manage("collectstatic", "--no-input", "--verbosity", "0")
        collect.start()
        collect.wait_stopped()
        web = site.web(port, wsgi="tests.benchmarks.empty_wsgi:application", workers=WORKERS, threads=THREADS)
        web.start()
        try:
            web.wait_ready()
            address = f"http://{HOST}:{port}"
            found = {name: _measure(f"{address}{path}", web.pid, statements) for name, path in _PAGES.items()}
            control = _control(address, statements) if statements else None
        finally:
            web.stop()
    _show(found, control=control)


def _show(found: dict[str, Figures], *, control: tuple[float, int] | None) -> None:
    empty = found["empty view"]["rate"]
    rows = [
        [
            f"{name} {_PAGES[name]}",
            f"{figures['pages']:,.0f}",
            tables.rate(figures["rate"]),
            f"{figures['rate'] / empty:.2f}",
            tables.ms(figures["web_ms"]),
            tables.ms(figures["server_ms"]),
            _a_second(figures.get("statements")),
            _a_second(figures.get("statements_beside_gifts")),
            f"{figures['bytes'] / 1024:.1f} KB",
        ]
        for name, figures in found.items()
    ]
    heads = ["page", "pages", "a second", "to empty", "web server a page", "PostgreSQL a page"]
    notes = [
        f"Each asked for {SECONDS:.0f} seconds by a Python process on the same cores; no cookies, no compression.",
        f"Statements: all that the web server sent to PostgreSQL in a second; then with {GIFTS_A_SECOND} gifts a second"
        " beside it.",
    ]
    if control:
        notes.append(
            f"Control: {_NEVER_KEPT} is made for each asker, with {control[0]:.2f} statements by PostgreSQL's log; "
            f"Django counts {control[1]}, without the SELECT 1 by which it sees that its connection still stands."
        )
    tables.show(
        f"2. Pages a second, granian with {WORKERS} workers of {THREADS} threads, {CONNECTIONS} kept connections",
        heads=[*heads, "statements", "beside gifts", "size"],
        rows=rows,
        notes=notes,
    )


def _a_second(number: float | None) -> str:
    return "" if number is None else f"{number:.1f}/s"


def _control(address: str, statements: Statements) -> tuple[float, int]:
    """Statements of one page that is never kept: as they are counted here, and as Django counts them."""
    time.sleep(1)
    while statements.since():  # what was asked before is still being answered
        time.sleep(1)
    for _ in range(20):
        urllib.request.urlopen(f"{address}{_NEVER_KEPT}", timeout=30).close()
    found = statements.since() / 20
    with CaptureQueriesContext(connection) as seen:
        Client().get(_NEVER_KEPT, headers={"host": HOST})
    return found, len(seen)


def _environment(folder: Path, port: int) -> dict[str, str]:
    """As in production: static files collected and named by their content."""
    changes = {
        "DEBUG": "0",
        "SITE_URL": f"http://{HOST}:{port}",
        "ALLOWED_HOSTS": HOST,
        "STATIC_ROOT": str(folder / "static"),
        "STATIC_MANIFEST": "1",
        "MEDIA_ROOT": str(folder / "media"),
    }
    return {**os.environ, **changes}


def _measure(url: str, web: int, statements: Statements | None) -> Figures:
    """Ask for one page for SECONDS, after a second that warms; rates, processor time and statements per page."""
    server = postgres_pid()
    urllib.request.urlopen(url, timeout=30).close()  # alone: without any copy a crowd makes one each
    _answer(_asking(url, seconds=1))
    if statements:
        statements.since()
    before = tree_seconds(web), tree_seconds(server)
    figures = _answer(_asking(url, seconds=SECONDS))
    after = tree_seconds(web), tree_seconds(server)
    figures |= {
        "rate": figures["pages"] / figures["seconds"],
        "web_ms": (after[0] - before[0]) * 1000 / figures["pages"],
        "server_ms": (after[1] - before[1]) * 1000 / figures["pages"],
    }
    if statements:
        figures["statements"] = statements.since() / figures["seconds"]
        if not url.endswith(tuple(_PAGES[name] for name in _WITHOUT_GIFTS)):
            taken = _beside_gifts(url)
            figures["statements_beside_gifts"] = statements.since() / taken["seconds"]
    return figures


def _beside_gifts(url: str) -> Figures:
    """Ask for the page while gifts come in, from this process, whose own statements are not among those counted."""
    asking = _asking(url, seconds=SECONDS)
    while asking.poll() is None:
        now = timezone.now()
        factories.match(factories.donation(campaign=scene.campaign(), amount_minor=5_000, at=now), at=now)
        with suppress(subprocess.TimeoutExpired):
            asking.wait(1 / GIFTS_A_SECOND)
    return _answer(asking)


def _asking(url: str, *, seconds: float) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.benchmarks.load", url]
    command += ["--seconds", str(seconds), "--connections", str(CONNECTIONS)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def _answer(asking: "subprocess.Popen[str]") -> Figures:
    written, _ = asking.communicate(timeout=60)
    if asking.returncode:
        raise subprocess.CalledProcessError(asking.returncode, asking.args)
    figures: Figures = json.loads(written)
    return figures
