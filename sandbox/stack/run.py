"""One command beside a PostgreSQL and a Valkey of its own, in a folder that is thrown away."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from sandbox.stack import postgres, valkey
from sandbox.stack.environment import given, redis_url, throwaway_environment, with_other_number
from sandbox.stack.ports import free_port
from sandbox.stack.processes import StackError, die_with_parent
from sandbox.stack.supervision import Interrupted, Supervision, supervision

# After Ctrl-C pytest still tears its fixtures down.
_PATIENCE_SECONDS = 30


def run(command: Sequence[str], *, durable: bool = False) -> int:
    """Run a command with DATABASE_URL, REDIS_URL and CACHE_URL set; return its exit code as a shell does.

    durable: let PostgreSQL write as in production; otherwise it is fast and forgets at a power cut.
    Servers named in the environment are used as they are. STRIPE_* are always the sandbox's.
    """
    with _throwaway_folder() as folder, supervision() as servers:
        try:
            environment = os.environ | throwaway_environment(folder) | _start_servers(servers, folder, durable=durable)
            servers.check()
            return _wait_for(_start(command, environment), servers)
        except Interrupted as interruption:
            return 128 + interruption.number


def _start_servers(servers: Supervision, folder: Path, *, durable: bool) -> dict[str, str]:
    """Start what the environment does not name, and return the addresses of all."""
    database_url, broker_url = given("DATABASE_URL"), given("REDIS_URL")
    processes = []
    if not database_url:
        port, log_path = free_port(), folder / "log" / "postgres.log"
        processes.append(postgres.postgres(port=port, folder=folder, log_path=log_path, durable=durable))
        database_url = postgres.database_url(port)
    if not broker_url:
        port, log_path = free_port(), folder / "log" / "valkey.log"
        processes.append(valkey.valkey(port=port, folder=folder, log_path=log_path))
        broker_url = redis_url(port, number=0)
    servers.start(*processes)
    cache_url = given("CACHE_URL") or with_other_number(broker_url, 1)
    return {"DATABASE_URL": database_url, "REDIS_URL": broker_url, "CACHE_URL": cache_url}


def _start(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """In our own process group, so that it may use the terminal and gets its Ctrl-C."""
    try:
        return subprocess.Popen(
            list(command),
            env=dict(environment),
            preexec_fn=die_with_parent,  # noqa: PLW1509 (one system call)
        )
    except OSError as error:
        raise StackError(f"cannot run {command[0]}: {error.strerror}") from None


def _wait_for(child: subprocess.Popen[bytes], servers: Supervision) -> int:
    """The child's exit code. Signals are passed on, but SIGINT: the terminal has sent it already."""
    deadline = None
    while True:
        try:
            code = child.wait(0.2)
        except subprocess.TimeoutExpired:
            pass
        else:
            return code if code >= 0 else 128 - code
        servers.note_hangup()
        while servers.received:
            number = servers.received.pop()
            deadline = deadline or time.monotonic() + _PATIENCE_SECONDS
            if number != signal.SIGINT:
                child.send_signal(number)
        if deadline and time.monotonic() > deadline:
            child.kill()


@contextmanager
def _throwaway_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="twofold-run-"))
    folder.chmod(0o711)  # root's PostgreSQL runs as another user
    try:
        yield folder
    finally:
        postgres.remove_cluster(folder)
        shutil.rmtree(folder, ignore_errors=True)
