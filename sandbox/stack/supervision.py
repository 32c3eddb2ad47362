"""Starting processes, watching them, and stopping them in order, whatever ends the run."""

import os
import select
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sandbox.stack.processes import Process, StackError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Who depends on whom: the first asks nothing of the last.
STOP_ORDER = (("web",), ("worker", "mailer", "beat"), ("sandbox", "inbox"), ("valkey",), ("postgres",))
_STDOUT = 1
_WATCH_SECONDS = 0.2
_STEP_SECONDS = 0.02


class Interrupted(Exception):
    """Ctrl-C, or another request to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class Supervision:
    """The processes of one run. Use `supervision()`: it stops them all when its block ends."""

    def __init__(self) -> None:
        self.started: list[Process] = []
        self.received: list[int] = []
        self._has_terminal = os.isatty(_STDOUT)

    def note_hangup(self) -> None:
        """Take a terminal that has gone away for SIGHUP, which only the first program in it is sent: `make`, say."""
        if self._has_terminal:
            terminal = select.poll()
            terminal.register(_STDOUT, 0)
            if terminal.poll(0):
                self._has_terminal = False
                self.received.append(signal.SIGHUP)

    def check(self) -> None:
        """Raise Interrupted when a signal has asked the run to stop."""
        self.note_hangup()
        if self.received:
            raise Interrupted(self.received[0])

    def start(self, *processes: Process) -> None:
        """Start processes together and return when all are ready. Raises StackError when one is not."""
        for process in processes:
            self.check()
            self.started.append(process)
            process.start()
        for process in processes:
            process.wait_ready(check=self.check)

    def finish(self, step: Process) -> None:
        """Run a step to its end. Raises StackError when it fails."""
        self.check()
        step.start()
        try:
            while step.is_running():
                self.check()
                time.sleep(_STEP_SECONDS)
        finally:
            step.kill()
        if step.child is None or step.child.returncode != 0:
            raise StackError(step.epitaph())

    def watch(self) -> None:
        """Wait. Raises Interrupted when asked to stop, StackError when a process has ended by itself."""
        while True:
            self.check()
            for process in self.started:
                if not process.is_running():
                    raise StackError(process.epitaph())
            time.sleep(_WATCH_SECONDS)

    def stop(self) -> None:
        """Stop everything, in order. Every step has a limit, so it ends; later signals do not hurry it."""
        stop_in_order([[process for process in self.started if process.name in stage] for stage in STOP_ORDER])
        self.started.clear()


@contextmanager
def supervision() -> Iterator[Supervision]:
    """Take over the signals that ask to stop, and stop every process at the end, however the block ends."""
    run = Supervision()
    before = {number: signal.signal(number, lambda received, _: run.received.append(received)) for number in SIGNALS}
    try:
        yield run
    finally:
        run.stop()
        for number, handler in before.items():
            signal.signal(number, handler)


def stop_in_order(stages: Sequence[Sequence[Process]]) -> None:
    """Stop one stage after the other; those within a stage at the same time."""
    for stage in stages:
        for process in stage:
            process.ask_to_stop()
        for process in stage:
            process.wait_stopped()
