"""Part 2: pages a second from the web server as it is run, beside an empty view of the same server.

The load comes from one more process on the same cores (tests/benchmarks/load.py), so a page's rate is lower than the
server alone would reach; the processor time of a page is the server's own.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from sandbox.stack.ports import HOST, free_port
from sandbox.stack.site import ROOT, Site
from tests.benchmarks import scene, tables
from tests.benchmarks.processor import postgres_pid, tree_seconds

SECONDS = 4.0
CONNECTIONS = 16
WORKERS, THREADS = 2, 8
_EMPTY = "/_empty/"
_PAGES = {
    "empty view": _EMPTY,
    "campaign": "/",
    "fund": "/funds/education/",
    "progress": "/progress/",
    "form, first visit": "/give/",
    "form, own amount": "/give/?amount=77",
}


def show() -> None:
    scene.campaign()
    server = postgres_pid()
    with tempfile.TemporaryDirectory(prefix="twofold-bench-") as folder:
        port = free_port()
        site = Site(environment=_environment(Path(folder), port), folder=Path(folder))
        collect = site.manage("collectstatic", "--no-input", "--verbosity", "0")
        collect.start()
        collect.wait_stopped()
        web = site.web(port, wsgi="tests.benchmarks.empty_wsgi:application", workers=WORKERS, threads=THREADS)
        web.start()
        try:
            web.wait_ready()
            found = {name: _measure(f"http://{HOST}:{port}{path}", web.pid, server) for name, path in _PAGES.items()}
        finally:
            web.stop()
    empty = found["empty view"]["rate"]
    rows = [
        [
            f"{name} {_PAGES[name]}",
            f"{figures['pages']:,.0f}",
            tables.rate(figures["rate"]),
            f"{figures['rate'] / empty:.2f}",
            tables.ms(figures["web_ms"]),
            tables.ms(figures["server_ms"]),
            f"{figures['bytes'] / 1024:.1f} KB",
        ]
        for name, figures in found.items()
    ]
    tables.show(
        f"2. Pages a second, granian with {WORKERS} workers of {THREADS} threads, {CONNECTIONS} kept connections",
        heads=["page", "pages", "a second", "to empty", "web server a page", "PostgreSQL a page", "size"],
        rows=rows,
        notes=[
            f"Each asked for {SECONDS:.0f} seconds by a Python process on the same cores; no cookies, no compression."
        ],
    )


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


def _measure(url: str, web: int, server: int) -> dict[str, float]:
    """Ask for one page for SECONDS, after a second that warms; rates and processor time per page."""
    _load(url, seconds=1)
    before = tree_seconds(web), tree_seconds(server)
    figures = _load(url, seconds=SECONDS)
    after = tree_seconds(web), tree_seconds(server)
    return figures | {
        "rate": figures["pages"] / figures["seconds"],
        "web_ms": (after[0] - before[0]) * 1000 / figures["pages"],
        "server_ms": (after[1] - before[1]) * 1000 / figures["pages"],
    }


def _load(url: str, *, seconds: float) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.load", url]
    command += ["--seconds", str(seconds), "--connections", str(CONNECTIONS)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=60, check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures
