"""Twenty writers and four readers on nine pools while backends, processes and the broker are killed around them.

A run goes by its seed: what each writer does, which fault comes when. `make test` runs one short one, `make chaos
SEEDS=50` runs fifty long ones, and `make chaos SEED=123` runs one again.
"""

import os
import random
import sys
import threading
import time
from collections.abc import Callable

import pytest
from django.db import InterfaceError, OperationalError, connection

from matching.checking import check_campaigns
from sandbox.stack.processes import Process
from sandbox.stack.site import ROOT
from tests.concurrency import bank
from tests.database import deadlocks

pytestmark = pytest.mark.django_db(transaction=True)
CHAOS = bool(os.environ.get("CHAOS"))
SECONDS = 25 if CHAOS else 8
PROCESSES, THREADS, READERS = 4, 5, 4
RESOLVED_WITHIN_SECONDS = 60
QUICK = {"HOLD_SECONDS": "3", "SWEEP_SECONDS": "1", "WORK_GRACE_SECONDS": "1" if CHAOS else "3600"}


def seeds() -> list[int]:
    if seed := os.environ.get("SEED"):
        return [int(seed)]
    return list(range(1, int(os.environ.get("SEEDS") or (10 if CHAOS else 1)) + 1))


class Readers:
    """Threads that look at all balances again and again; `wrong` is what they saw that did not balance."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.looks = 0
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._read) for _ in range(READERS)]

    def __enter__(self) -> "Readers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join(10)

    def _read(self) -> None:
        while not self._done.wait(0.1):
            try:
                self.wrong += bank.read_balances()
                self.looks += 1
            except (OperationalError, InterfaceError):
                connection.close()
        connection.close()


class Faults:
    """What goes wrong, by the seed: each once at least in a long run, every half to two seconds."""

    def __init__(self, *, seed: int, site, writers: list[Process]) -> None:
        self.rng = random.Random(f"{seed} faults")
        self.site, self.writers = site, writers
        self.done: list[str] = []
        kinds: list[Callable[[], None]] = [self.end_backends, self.cancel_statements, self.kill_writer]
        kinds += [self.kill_worker, self.kill_web, self.stop_valkey]
        self._kinds = self.rng.sample(kinds, len(kinds))

    def run(self, *, seconds: float) -> None:
        until, number = time.monotonic() + seconds, 0
        while time.monotonic() < until:
            time.sleep(self.rng.uniform(0.5, 2))
            act = self._kinds[number] if number < len(self._kinds) else self.rng.choice(self._kinds)
            act()
            self.done.append(act.__name__)
            number += 1

    def end_backends(self) -> None:
        self._to_backends("pg_terminate_backend")

    def cancel_statements(self) -> None:
        """As a statement timeout does."""
        self._to_backends("pg_cancel_backend")

    def kill_writer(self) -> None:
        writer = self.rng.choice(self.writers)
        writer.kill()
        writer.start()

    def kill_worker(self) -> None:
        self._kill("worker", QUICK)

    def kill_web(self) -> None:
        self._kill("web", QUICK)

    def stop_valkey(self) -> None:
        self.site.stop("valkey")
        time.sleep(self.rng.uniform(0.2, 1))
        self.site.start("valkey")

    def _kill(self, name: str, environment: dict[str, str]) -> None:
        self.site.kill(name)
        self.site.start(name, environment=environment, waits=False)

    def _to_backends(self, function: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
                "AND state <> 'idle' ORDER BY pid"
            )
            busy = [pid for (pid,) in cursor.fetchall()]
            for pid in self.rng.sample(busy, min(3, len(busy))):
                cursor.execute(f"SELECT {function}(%s)", [pid])


def start_writers(site, folder, *, seed: int) -> list[Process]:
    writers = []
    for number in range(PROCESSES):
        module = [sys.executable, "-u", "-m", "tests.concurrency.bank_writer"]
        writer = Process(
            name=f"bank-writer-{number}",
            argv=[*module, f"{seed}.{number}", str(THREADS), str(folder / "stop"), site.url],
            environment=site.environment | QUICK | {"DJANGO_SETTINGS_MODULE": "config.settings"},
            log_path=folder / f"bank-writer-{number}.log",
            working_folder=ROOT,
        )
        writer.start()
        writers.append(writer)
    for writer in writers:
        writer.ready = lambda writer=writer: writer.has_logged("writing")
        writer.wait_ready()
    return writers


def wait_until_resolved() -> float:
    """Seconds until nothing is left to do. AssertionError with what is left after a minute."""
    began = time.monotonic()
    while left := bank.unresolved():
        assert time.monotonic() - began < RESOLVED_WITHIN_SECONDS, f"still to do after a minute: {left}"
        time.sleep(0.5)
    return time.monotonic() - began


def run(site, folder, *, seed: int) -> None:
    bank.open_bank()
    bank.run_dry(seed=seed)
    site.start("web", environment=QUICK)
    site.start("worker", environment=QUICK)
    site.start("beat", environment=QUICK)
    deadlocks_before = deadlocks()
    writers = start_writers(site, folder, seed=seed)
    faults = Faults(seed=seed, site=site, writers=writers)
    try:
        with Readers() as readers:
            faults.run(seconds=SECONDS)
    finally:
        (folder / "stop").touch()
        for writer in writers:
            writer.stop()
    for name in ("valkey", "web", "worker", "beat"):
        site.start(name)
    took = wait_until_resolved()
    logs = "".join(path.read_text() for path in folder.glob("bank-writer-*.log"))
    print(f"seed {seed}: {faults.done}; {bank.figures()}; {readers.looks} looks; resolved in {took:.1f} s")
    assert readers.wrong == []
    assert readers.looks > SECONDS
    assert logs.count("UNEXPECTED") == 0, logs[logs.find("UNEXPECTED") :][:4000]
    assert bank.read_balances() == []
    assert bank.wrong_gifts() == []
    assert check_campaigns() == []
    assert deadlocks() == deadlocks_before


@pytest.mark.parametrize("seed", seeds())
def test_the_bank_balances_at_every_look_and_everything_is_resolved_within_a_minute(site, tmp_path, seed):
    try:
        run(site, tmp_path, seed=seed)
    except BaseException as error:
        error.add_note(f"Run it again with:  make chaos SEED={seed}")
        raise
