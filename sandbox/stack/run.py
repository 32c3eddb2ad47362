"""One command beside a PostgreSQL and a Valkey of its own, in a folder that is thrown away."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sandbox.stack import postgres, valkey
from sandbox.stack.environment import TEST_STRIPE, given, redis_url, with_other_number
from sandbox.stack.ports import HOST, free_port
from sandbox.stack.processes import Process, StackError, die_with_parent, stop_in_order

_PATIENCE_SECONDS = 30


def run(command: Sequence[str], *, durable: bool = False) -> int:
    """Run a command with DATABASE_URL, REDIS_URL and CACHE_URL set, and return its exit code.

    durable: let PostgreSQL write as in production; otherwise it is fast and forgets at a power cut.
    Servers named in the environment are used as they are. Ctrl-C reaches the command first.
    """
    stopping: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _frame: stopping.append(received))
    with _throwaway_folder() as folder:
        started: list[Process] = []
        try:
            environment = _start_servers(folder, started, durable=durable)
            if stopping:
                return 128 + stopping[0]
            return _wait_for(_start(command, environment), stopping)
        finally:
            stop_in_order([[process] for process in reversed(started)])


def _start_servers(folder: Path, started: list[Process], *, durable: bool) -> dict[str, str]:
    environment = os.environ | TEST_STRIPE | {"TWOFOLD_STACK": str(folder)}
    environment.setdefault("SECRET_KEY", "only-for-one-run-of-the-tests-" + os.urandom(16).hex())
    environment.setdefault("EMAIL_URL", f"smtp://{HOST}:{free_port()}")
    postgres_port, valkey_port = free_port(), free_port()
    if not given("DATABASE_URL"):
        log_path = folder / "log" / "postgres.log"
        server = postgres.postgres(port=postgres_port, folder=folder, log_path=log_path, durable=durable)
        server.start()
        started.append(server)
        environment["DATABASE_URL"] = postgres.database_url(postgres_port)
    if not given("REDIS_URL"):
        cache = valkey.valkey(
            port=valkey_port, folder=folder / "valkey", log_path=folder / "log" / "valkey.log"
        )
        cache.start()
        started.append(cache)
        environment["REDIS_URL"] = redis_url(valkey_port, number=0)
        environment["CACHE_URL"] = redis_url(valkey_port, number=1)
    if not environment.get("CACHE_URL"):
        environment["CACHE_URL"] = with_other_number(environment["REDIS_URL"], 1)
    for process in started:
        process.wait_ready()
    if not given("DATABASE_URL"):
        postgres.make_role_and_database(postgres_port)
    return environment


def _start(command: Sequence[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """In our own process group, so it may use the terminal and gets its Ctrl-C."""
    try:
        return subprocess.Popen(
            list(command),
            env=environment,
            preexec_fn=die_with_parent,  # noqa: PLW1509 (one system call)
        )
    except OSError as error:
        raise StackError(f"cannot run {command[0]}: {error.strerror}") from None


def _wait_for(child: subprocess.Popen[bytes], stopping: list[int]) -> int:
    """The child's exit code, as a shell gives it. Signals are passed on, but Ctrl-C: the terminal sent it."""
    passed_on, deadline = 0, 0.0
    while True:
        try:
            code = child.wait(0.2)
        except subprocess.TimeoutExpired:
            pass
        else:
            return code if code >= 0 else 128 - code
        if len(stopping) > passed_on:
            if stopping[passed_on] != signal.SIGINT:
                child.send_signal(stopping[passed_on])
            passed_on += 1
            deadline = deadline or time.monotonic() + _PATIENCE_SECONDS
        if deadline and time.monotonic() > deadline:
            child.kill()


@contextmanager
def _throwaway_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="twofold-run-"))
    folder.chmod(0o711)  # root's PostgreSQL runs as another user
    try:
        yield folder
    finally:
        if sys.exc_info()[0] is not None and (folder / "log").is_dir():
            kept = Path(tempfile.mkdtemp(prefix="twofold-log-"))
            shutil.copytree(folder / "log", kept, dirs_exist_ok=True)
        postgres.remove_cluster(folder)
        shutil.rmtree(folder, ignore_errors=True)
