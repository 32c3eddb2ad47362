"""The demo's folder: one run at a time, its secret, its logs, leftovers, and how to throw it away."""

import os
import secrets
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

from sandbox.stack import postgres
from sandbox.stack.environment import given
from sandbox.stack.processes import FOLDER_VARIABLE, StackError
from sandbox.stack.site import ROOT

_LOCK = "running"
# All that a demo writes and a reset removes: TWOFOLD_VAR may name a folder that holds other things too.
_CONTENTS = ("beat", "inbox", "log", "media", "static", "stripe-account", "valkey", "secret-key", "ledger-key")
_LEFTOVER_SECONDS = 15


def folder() -> Path:
    """Where the demo keeps everything: TWOFOLD_VAR, or var/ beside this project."""
    return Path(given("TWOFOLD_VAR") or ROOT / "var").absolute()


@contextmanager
def only_run(var: Path) -> Iterator[None]:
    """Hold the folder for one run. Raises StackError when another run holds it, or it cannot be written.

    The kernel drops the lock when the holder dies, so a killed run never blocks the next.
    """
    try:
        var.mkdir(parents=True, exist_ok=True)
        lock = (var / _LOCK).open("a+")
    except OSError as error:
        raise StackError(
            f"{error.filename} cannot be written ({error.strerror}): chown it, or set TWOFOLD_VAR"
        ) from None
    with lock:
        try:
            flock(lock, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise StackError(
                f"a demo is already running here ({lock.read().strip()}). Stop it with Ctrl-C in its window"
            ) from None
        try:
            yield
        finally:
            lock.truncate(0)


def describe_run(var: Path, description: str) -> None:
    """Say what is running, for whoever tries to start a second one."""
    (var / _LOCK).write_text(f"process {os.getpid()}, {description}\n")


def secret_key(var: Path) -> str:
    """A random SECRET_KEY, made once and kept: log-ins and gift links outlive a restart."""
    return _kept_secret(var / "secret-key", secrets.token_urlsafe(60))


def ledger_key(var: Path) -> str:
    """A random LEDGER_SIGNING_KEY, made once and kept as long as the ledger whose heads it signs."""
    return _kept_secret(var / "ledger-key", secrets.token_hex(32))


def _kept_secret(path: Path, new: str) -> str:
    """What the file holds; the new secret when there is none yet, readable by us alone."""
    if not path.exists():
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(new)
    return path.read_text().strip()


def turn_logs(var: Path) -> None:
    """Keep the logs of the last run as *.log.1 and begin anew, so that they never grow beyond two runs."""
    for path in (var / "log").glob("*.log"):
        path.replace(path.with_name(f"{path.name}.1"))


def end_leftovers(var: Path) -> int:
    """Wait for what a killed run left (the kernel has asked it to stop), kill what stays, and count it all.

    Call it with the folder held.
    """
    found = leftovers(var)
    deadline = time.monotonic() + _LEFTOVER_SECONDS
    while leftovers(var) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid in leftovers(var):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(found)


def leftovers(var: Path) -> Sequence[int]:
    """The processes of any run in this folder, by a mark in their environment (Linux; elsewhere none).

    A PostgreSQL that root runs as another user may hide its environment even from root; its pid file tells.
    """
    mark = os.fsencode(f"{FOLDER_VARIABLE}={var}")
    marked = {int(entry.name) for entry in Path("/proc").glob("[0-9]*") if mark in _environment_of(entry)}
    server = postgres.running_server(var)
    return sorted(marked | {server} if server else marked)


def _environment_of(entry: Path) -> list[bytes]:
    try:
        return (entry / "environ").read_bytes().split(b"\0")
    except OSError:  # gone meanwhile, or another user's
        return []


def remove(var: Path) -> None:
    """Throw away what demos have written in this folder, nothing else. Call it with the folder held."""
    end_leftovers(var)
    postgres.remove_cluster(var)
    for name in _CONTENTS:
        path = var / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
