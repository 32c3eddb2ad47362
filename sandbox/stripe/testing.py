"""For tests: a sandbox in a process of its own, and a place for its webhooks to arrive."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

from .control import SandboxControl

ROOT = Path(__file__).resolve().parents[2]
SECRET_KEY = "sk_test_twofold_demo"
PUBLISHABLE_KEY = "pk_test_twofold_demo"
WEBHOOK_SECRET = "whsec_twofold_demo"


@dataclass(frozen=True)
class Arrival:
    """One webhook as it arrived."""

    payload: str
    signature: str


@dataclass
class WebhookSink:
    """Takes webhooks on a free port and keeps them. `answers`: the next statuses, then 200 for good."""

    arrivals: list[Arrival] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    hang_seconds: float = 0

    def __enter__(self) -> WebhookSink:
        self._hurry = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hurry.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/webhooks/stripe/"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                payload = self.rfile.read(int(self.headers["Content-Length"])).decode()
                sink.arrivals.append(Arrival(payload, self.headers["Stripe-Signature"]))
                if sink.hang_seconds:
                    sink._hurry.wait(sink.hang_seconds)
                self.send_response(sink.answers.pop(0) if sink.answers else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                """Say nothing: tests read `arrivals`."""

        return Handler


@contextmanager
def running_sandbox(*arguments: str, record: Path | None = None, port: int = 0) -> Iterator[SandboxControl]:
    """A sandbox of its own on a free port, ended afterwards. record: keep its traffic for the contract check."""
    environment = {**os.environ, "SANDBOX_RECORD": str(record) if record else ""}
    command = [sys.executable, "-m", "sandbox.stripe", "--port", str(port), *arguments]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        said = ""
        for line in process.stdout:
            said += line
            if "ready on " in line:
                break
        else:
            raise RuntimeError(f"The sandbox did not start: {said or 'it said nothing'}")
        yield SandboxControl(line.split("ready on ")[1].split()[0])
    finally:
        process.terminate()
        process.wait(10)
