"""Child processes that are waited for, watched, stopped in order, and never outlive their parent."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
# In every child's environment: the folder of its run, by which a later run finds what was left over.
FOLDER_VARIABLE = "TWOFOLD_RUN"
_POLL_SECONDS = 0.03
_BURIAL_SECONDS = 1.0


class StackError(Exception):
    """Something the person at the keyboard can mend; the text says how."""


def die_with_parent(death_signal: int = signal.SIGTERM) -> None:
    """Ask Linux to send this process a signal when the thread that started it ends, however it ends."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(death_signal))


@dataclass
class Account:
    """Another user to run a process as. Only root can."""

    uid: int
    gid: int


@dataclass(kw_only=True)
class Process:
    """One child in a process group of its own, with its output in a log file.

    ready: asked again and again until it is true; a process without it counts as ready once started.
    stop_signal goes to the process itself, which ends its own children; whatever is left of its group after
    stop_seconds is killed. death_signal is what the kernel sends it when the runner dies, even by SIGKILL.
    """

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    log_path: Path
    ready: Callable[[], bool] | None = None
    ready_seconds: float = 60
    stop_signal: int = signal.SIGTERM
    death_signal: int = signal.SIGTERM
    stop_seconds: float = 10
    working_folder: Path | None = None
    account: Account | None = None
    child: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _log_start: int = field(default=0, init=False)

    def start(self) -> None:
        """Start the child and return at once. The calling thread must live as long as the child should."""
        if self.is_running():
            return
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        parent = os.getpid()

        def in_child() -> None:
            die_with_parent(self.death_signal)
            if os.getppid() != parent:  # it died before the kernel was asked
                os._exit(1)

        with self.log_path.open("ab") as log:
            self._log_start = log.tell()
            self.child = subprocess.Popen(
                list(self.argv),
                env=dict(self.environment),
                cwd=self.working_folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
                preexec_fn=in_child,  # noqa: PLW1509 (one system call, made by a runner without other threads)
                user=self.account.uid if self.account else None,
                group=self.account.gid if self.account else None,
                extra_groups=[] if self.account else None,
            )

    def is_running(self) -> bool:
        return self.child is not None and self.child.poll() is None

    @property
    def pid(self) -> int:
        if self.child is None:
            raise StackError(f"{self.name} was never started")
        return self.child.pid

    def wait_ready(self, *, check: Callable[[], None] = lambda: None) -> None:
        """Return when the child is ready. Raises StackError when it ends or takes too long.

        check: called while waiting; raises to give up.
        """
        deadline = time.monotonic() + self.ready_seconds
        while True:
            check()
            if not self.is_running():
                raise StackError(self.epitaph())
            if self.ready is None or self.ready():
                return
            if time.monotonic() > deadline:
                raise StackError(
                    f"{self.name} was not ready after {self.ready_seconds:.0f} s. "
                    f"Its last lines ({self.log_path}):\n{self.tail()}"
                )
            time.sleep(_POLL_SECONDS)

    def send(self, number: int) -> None:
        """Send the child a signal; one that has ended is left alone."""
        if self.is_running():
            os.kill(self.pid, number)

    def ask_to_stop(self) -> None:
        self.send(self.stop_signal)

    def wait_stopped(self) -> None:
        """Wait for the child to end, kill it when it is too slow, and leave nothing of its group behind."""
        if self.child is None:
            return
        with suppress(subprocess.TimeoutExpired):
            self.child.wait(self.stop_seconds)
        self.kill()

    def stop(self) -> None:
        self.ask_to_stop()
        self.wait_stopped()

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send the whole group a signal, SIGKILL as when the machine loses power; then wait until all are gone."""
        if self.child is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self.child.pid, number)
            if number == signal.SIGKILL:
                self.child.wait()
                self._wait_for_group()

    def _wait_for_group(self) -> None:
        """Wait for the child's own children, which others have to bury; where nobody does, not for ever."""
        deadline = time.monotonic() + _BURIAL_SECONDS
        while time.monotonic() < deadline:
            os.killpg(self.pid, 0)
            time.sleep(_POLL_SECONDS)

    def has_logged(self, text: str) -> bool:
        """Whether the log holds this text since the last start."""
        with self.log_path.open("rb") as log:
            log.seek(self._log_start)
            return text.encode() in log.read()

    def epitaph(self) -> str:
        """How the child ended, with its last lines."""
        code = self.child.returncode if self.child else None
        how = f"by {signal.Signals(-code).name}" if code is not None and code < 0 else f"with code {code}"
        return f"{self.name} ended {how}. Its last lines ({self.log_path}):\n{self.tail()}"

    def tail(self, line_count: int = 20) -> str:
        """The last lines of the log, each behind the name of the process."""
        return tail(self.log_path, name=self.name, line_count=line_count)


def tail(path: Path, *, name: str, line_count: int = 20) -> str:
    """The last lines of a log file, each behind a name; reads at most the last 64 KiB."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - 65_536))
            lines = log.read().decode(errors="replace").splitlines()[-line_count:]
    except OSError as error:
        lines = [f"(no log: {error})"]
    return "\n".join(f"  {name} | {line}" for line in lines) or f"  {name} | (it wrote nothing)"
