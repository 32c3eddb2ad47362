"""The site's processes as they are run here: web server, worker, timer, Stripe stand-in and inbox."""

import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.stack.ports import HOST
from sandbox.stack.processes import Process

ROOT = Path(__file__).resolve().parent.parent.parent
WSGI = "config.wsgi:application"


@dataclass(kw_only=True)
class Site:
    """Makes processes that share one environment (config/settings.py reads it) and one folder."""

    environment: Mapping[str, str]
    folder: Path

    def log_path(self, name: str) -> Path:
        return self.folder / "log" / f"{name}.log"

    def prepare(self) -> Process:
        """Migrate, load the sample campaign, collect static files; to be run to its end."""
        return self._python("prepare", ["-m", "sandbox.stack.prepare"])

    def manage(self, *arguments: str) -> Process:
        """A management command, to be run to its end."""
        name = arguments[0]
        return self._python(name, [str(ROOT / "manage.py"), *arguments])

    def web(self, port: int, *, wsgi: str = WSGI, workers: int | None = None, threads: int = 8) -> Process:
        """granian: `workers` processes of `threads` threads, each keeping its connection to PostgreSQL."""
        arguments = [
            "granian", "--interface", "wsgi", "--host", HOST, "--port", str(port), "--no-ws",
            "--workers", str(workers or min(os.cpu_count() or 1, 4)), "--blocking-threads", str(threads),
            "--blocking-threads-idle-timeout", "600", "--workers-kill-timeout", "5", wsgi,
        ]  # fmt: skip
        process = self._python("web", ["-u", "-m", *arguments])
        process.ready = lambda: answers(f"http://{HOST}:{port}/healthz")
        return process

    def worker(self, *, concurrency: int = 2, queues: str = "", name: str = "worker") -> Process:
        """queues: which of the queues it serves, with commas between; all if not given."""
        arguments = ["celery", "-A", "config.celery", "worker", "--loglevel", "INFO", "--hostname", f"{name}@%h"]
        arguments += ["--concurrency", str(concurrency), "--without-gossip", "--without-mingle"]
        arguments += ["--queues", queues] if queues else []
        process = self._python(name, ["-u", "-m", *arguments])
        process.ready = lambda: process.has_logged(" ready.")
        return process

    def mailer(self, *, concurrency: int = 2) -> Process:
        """The worker that talks to the mail server and does nothing else."""
        return self.worker(concurrency=concurrency, queues="mail", name="mailer")

    def beat(self) -> Process:
        schedule = self.folder / "beat" / "schedule"
        schedule.parent.mkdir(parents=True, exist_ok=True)
        arguments = ["celery", "-A", "config.celery", "beat", "--loglevel", "INFO"]
        arguments += ["--schedule", str(schedule), "--pidfile="]
        process = self._python("beat", ["-u", "-m", *arguments])
        process.ready = lambda: process.has_logged("beat: Starting")
        return process

    def sandbox(self, port: int, *, webhook_url: str, kept: bool = False) -> Process:
        """The stand-in for Stripe, with the keys that the site uses. kept: it remembers payments between runs."""
        arguments = ["sandbox.stripe", "--port", str(port), "--webhook-url", webhook_url]
        arguments += ["--webhook-secret", self.environment["STRIPE_WEBHOOK_SECRET"]]
        arguments += ["--secret-key", self.environment["STRIPE_SECRET_KEY"]]
        arguments += ["--publishable-key", self.environment["STRIPE_PUBLISHABLE_KEY"]]
        if kept:
            arguments += ["--state", str(self.folder / "stripe-account")]
        process = self._python("sandbox", ["-u", "-m", *arguments])
        process.ready = lambda: answers(f"http://{HOST}:{port}/healthz")
        return process

    def inbox(self, port: int, *, smtp_port: int) -> Process:
        """The stand-in for the mail server; what it received is kept in the folder."""
        arguments = ["sandbox.inbox", "--smtp-port", str(smtp_port), "--port", str(port)]
        process = self._python("inbox", ["-u", "-m", *arguments, "--dir", str(self.folder / "inbox")])
        process.ready = lambda: answers(f"http://{HOST}:{port}/healthz")
        return process

    def _python(self, name: str, arguments: list[str]) -> Process:
        return Process(
            name=name,
            argv=[sys.executable, *arguments],
            environment=self.environment,
            log_path=self.log_path(name),
            working_folder=ROOT,
        )


def answers(url: str) -> bool:
    """Whether a GET of this address is answered 200 within a second."""
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False
