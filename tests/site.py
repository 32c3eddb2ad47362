"""The whole site as real processes on free ports, beside the tests and on the tests' database.

Started at first use, kept for the whole run, brought back to a clean state for each test.
"""

import json
import os
import signal
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import redis

from sandbox.stack.environment import TEST_STRIPE, redis_url
from sandbox.stack.ports import HOST, free_port
from sandbox.stack.processes import Process, tail
from sandbox.stack.site import WSGI, Site
from sandbox.stack.supervision import STOP_ORDER, stop_in_order
from sandbox.stack.valkey import valkey

# Started for every test; "beat" runs only in a test that starts it, so that timers surprise nobody.
ALWAYS = ("valkey", "sandbox", "inbox", "web", "worker")
_DRAIN_SECONDS = 3


class RunningSite:
    """The processes "web", "worker", "mailer", "beat", "sandbox", "inbox" and "valkey", and where they answer."""

    def __init__(self, *, database_url: str, folder: Path, record: Path) -> None:
        self.folder = folder
        self._ports = {name: free_port() for name in ("web", "sandbox", "inbox", "smtp", "valkey")}
        self.url = f"http://{HOST}:{self._ports['web']}"
        self.sandbox_url = f"http://{HOST}:{self._ports['sandbox']}"
        self.inbox_url = f"http://{HOST}:{self._ports['inbox']}"
        self.broker_url = redis_url(self._ports["valkey"], number=0)
        self.cache_url = redis_url(self._ports["valkey"], number=1)
        self.environment = {
            **os.environ,
            **TEST_STRIPE,
            "DEBUG": "0",
            "SITE_URL": self.url,
            "ALLOWED_HOSTS": HOST,
            "DATABASE_URL": database_url,
            "REDIS_URL": self.broker_url,
            "CACHE_URL": self.cache_url,
            "EMAIL_URL": f"smtp://{HOST}:{self._ports['smtp']}",
            "STRIPE_API_BASE": self.sandbox_url,
            "STRIPE_JS_URL": f"{self.sandbox_url}/stripe.js",
            "STATIC_ROOT": str(folder / "static"),
            "STATIC_MANIFEST": "1",
            "MEDIA_ROOT": str(folder / "media"),
            "SANDBOX_RECORD": str(record),
            "FORM_LEAST_SECONDS": "0",
            "CHECK_WORK": "20000",  # a proof within a moment, in a real browser
        }
        self._processes: dict[str, Process] = {}
        self._changed: set[str] = set()
        self._has_static_files = False

    def start(
        self, name: str, *, environment: Mapping[str, str] | None = None, waits: bool = True, **options: Any
    ) -> None:
        """Start one process and wait until it is ready; one that runs is stopped first when anything is changed.

        waits: whether to return only when it is ready.
        environment: changed variables, for this process until the end of the test.
        options: for "web" `wsgi`, `workers` and `threads`; for "worker" `concurrency` and `queues`: it serves
        the mail too, unless a test gives that to a "mailer" of its own.
        """
        changes = bool(environment or options)
        if self.is_running(name):
            if not changes:
                return
            self.stop(name)
        if changes:
            self._changed.add(name)
        self._processes[name] = self._make(name, environment or {}, options)
        self._processes[name].start()
        if waits:
            self._processes[name].wait_ready()

    def is_running(self, name: str) -> bool:
        return name in self._processes and self._processes[name].is_running()

    def pid(self, name: str) -> int:
        return self._processes[name].pid

    def stop(self, name: str) -> None:
        """Stop one process as an operator would, and wait for its end."""
        if name in self._processes:
            self._processes[name].stop()

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """Send one process and all its children a signal: SIGKILL as when the power goes, SIGSTOP to make it hang."""
        self._processes[name].kill(number)
        self._changed.add(name)

    def manage(self, *arguments: str) -> str:
        """Run a management command beside the site and return what it wrote. AssertionError unless it succeeds."""
        command = self._site({}).manage(*arguments)
        command.log_path = self.folder / "log" / f"manage-{time.monotonic_ns()}.log"
        command.start()
        assert command.child is not None
        code = command.child.wait(120)
        assert code == 0, command.epitaph()
        return command.log_path.read_text()

    def log(self, name: str) -> str:
        """Everything a process has written in this run."""
        return self._site({}).log_path(name).read_text()

    def messages(self) -> list[dict[str, Any]]:
        """The mail in the inbox, as the inbox describes it."""
        return request_json("GET", f"{self.inbox_url}/api/messages")

    def empty_broker(self) -> None:
        """Lose everything that Valkey holds, as when it is emptied or restarted."""
        with redis.Redis.from_url(self.broker_url) as client:
            client.flushall()

    def clear_cache(self) -> None:
        """Forget cached pages and figures, after a test has changed rows behind the site's back."""
        with redis.Redis.from_url(self.cache_url) as client:
            client.flushdb()

    def ensure(self, *names: str) -> None:
        """Make sure that these run as they normally do, all starting at the same time."""
        if "web" in names and not self._has_static_files:
            self.manage("collectstatic", "--no-input", "--verbosity", "0")
            self._has_static_files = True
        for name in names:
            if name in self._changed and self.is_running(name):
                self.kill(name)
            if not self.is_running(name):
                self._processes[name] = self._make(name, {}, {})
                self._processes[name].start()
        for name in names:
            self._processes[name].wait_ready()
        self._changed.difference_update(names)

    def reset(self) -> None:
        """Make everything run as it did before the first test. The database is the caller's to empty."""
        self.quiet()
        self.ensure(*ALWAYS)
        self.reset_sandbox()
        self.clear_cache()
        request_json("DELETE", f"{self.inbox_url}/api/messages")

    def quiet(self) -> None:
        """End what is still on its way: no event, task or timer of this test will touch the next one's rows."""
        for name in (*self._changed, "beat", "mailer"):
            if self.is_running(name):
                self.kill(name)
        if self.is_running("sandbox"):
            self.reset_sandbox()
        if self.is_running("valkey"):
            self._drain_worker()

    def reset_sandbox(self) -> None:
        """Forget every payment, event and knob of the Stripe sandbox."""
        request_json("POST", f"{self.sandbox_url}/_sandbox/reset")

    def shut_down(self) -> None:
        stop_in_order([[self._processes[n] for n in stage if n in self._processes] for stage in STOP_ORDER])

    def tails(self) -> Iterator[tuple[str, str]]:
        """The last lines of each process's log, for the report of a test that failed."""
        for name in self._processes:
            yield name, tail(self._site({}).log_path(name), name=name, line_count=40)

    def _drain_worker(self) -> None:
        """Drop waiting tasks and let the running one end. A worker that holds on to one (for later) starts anew."""
        deadline = time.monotonic() + _DRAIN_SECONDS
        with redis.Redis.from_url(self.broker_url) as client:
            while self.is_running("worker"):
                client.delete("celery", "mail", "runs")
                if not client.hlen("unacked"):
                    return
                if time.monotonic() > deadline:
                    self.kill("worker")
                time.sleep(0.02)
            client.flushdb()

    def _site(self, changes: Mapping[str, str]) -> Site:
        return Site(environment=self.environment | dict(changes), folder=self.folder)

    def _make(self, name: str, changes: Mapping[str, str], options: Mapping[str, Any]) -> Process:
        site, port = self._site(changes), self._ports
        made = {
            "web": lambda: site.web(port["web"], **{"wsgi": WSGI, "workers": 1, "threads": 8, **options}),
            "worker": lambda: site.worker(**options),
            "mailer": lambda: site.mailer(**options),
            "beat": site.beat,
            "sandbox": lambda: site.sandbox(port["sandbox"], webhook_url=f"{self.url}/webhooks/stripe/"),
            "inbox": lambda: site.inbox(port["inbox"], smtp_port=port["smtp"]),
            "valkey": lambda: valkey(port=port["valkey"], folder=self.folder, log_path=site.log_path("valkey")),
        }
        return made[name]()


def request_json(method: str, url: str, body: Any = None) -> Any:
    """One request with a JSON body and the JSON that it is answered with, None for an empty answer."""
    request = urllib.request.Request(url, method=method, headers={"Content-Type": "application/json"})
    payload = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(request, payload, timeout=30) as answer:
        text = answer.read()
    return json.loads(text) if text else None
