"""Processor time by the kernel's own count, of this process and of others on this machine.

A rate says what the machine gave at that moment, with everything else that ran on it; processor time is what the
work itself needs and moves far less with the neighbours. Linux only: elsewhere the other processes count as unknown.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from django.db import connection
from django.test.utils import CaptureQueriesContext

Item = TypeVar("Item")
Result = TypeVar("Result")

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_WARMING = 2  # the first fills caches, the second is looked at; neither is timed


@dataclass(frozen=True, slots=True)
class Cost:
    """What one repetition needed on average. round_trips: statements, BEGIN and COMMIT included, in one of them."""

    own_ms: float
    server_ms: float
    round_trips: int
    repetitions: int

    @property
    def both_ms(self) -> float:
        return self.own_ms + self.server_ms


def measure(act: Callable[[Item], Result], items: Sequence[Item], *, server: int) -> tuple[list[Result], Cost]:
    """Call act on every item and say what one call cost here and in PostgreSQL; the first two are not timed.

    items: at least three. server: postgres_pid(). Returns the results in order, and the cost.
    """
    results = [act(items[0])]
    with CaptureQueriesContext(connection) as seen:
        results.append(act(items[1]))
        round_trips = len(seen)  # now: the next request forgets them
    timed = items[_WARMING:]
    server_before, own_before = tree_seconds(server), time.process_time()
    results += [act(item) for item in timed]
    own, elsewhere = time.process_time() - own_before, tree_seconds(server) - server_before
    return results, Cost(
        own_ms=own * 1000 / len(timed),
        server_ms=elsewhere * 1000 / len(timed),
        round_trips=round_trips,
        repetitions=len(timed),
    )


def round_trip_ms() -> float:
    """Processor milliseconds here of the least question to PostgreSQL through Django, the mean of 500.

    A yardstick of the moment: neighbours that share the cores' caches slow them down, and every figure with it.
    """
    with connection.cursor() as cursor:
        began = time.process_time()
        for _ in range(500):
            cursor.execute("SELECT 1")
        return (time.process_time() - began) * 1000 / 500


def postgres_pid() -> int:
    """The process of the PostgreSQL server that we are connected to, or 0 when it is not on this machine."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (backend,) = cursor.fetchone()
    try:
        if "postgres" not in Path(f"/proc/{backend}/comm").read_text():
            return 0
        return _parent(_stat(backend))
    except OSError:
        return 0


def tree_seconds(pid: int) -> float:
    """Processor seconds that a process and its descendants have used, those that have ended included; 0 for pid 0."""
    if not pid:
        return 0.0
    children: dict[int, list[tuple[int, list[str]]]] = {}
    for child, fields in _all_processes():
        children.setdefault(_parent(fields), []).append((child, fields))
    ticks, waiting = 0, [(pid, _stat(pid))]
    while waiting:
        current, fields = waiting.pop()
        ticks += sum(int(field) for field in fields[11:15])  # utime, stime, and both of children that were waited for
        waiting += children.get(current, [])
    return ticks / _TICKS_PER_SECOND


def _all_processes() -> Iterator[tuple[int, list[str]]]:
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            yield int(entry.name), _stat(int(entry.name))
        except OSError:  # it ended meanwhile
            continue


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on: what comes before them may hold blanks."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _parent(fields: list[str]) -> int:
    return int(fields[1])
