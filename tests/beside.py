"""What somebody else does at the same moment: another connection, or a process that gets there in its own time."""

import threading
import time
from collections.abc import Callable
from typing import Any

from django.db import connection

# However busy the machine: what is right and late is still right.
PATIENCE_SECONDS = 60.0


class Beside(threading.Thread):
    """Runs beside the test on a connection of its own; finish() brings its answer or its error here."""

    def __init__(self, act):
        super().__init__(daemon=True)
        self.act, self.answer, self.error = act, None, None
        self.start()

    def run(self):
        try:
            self.answer = self.act()
        except Exception as error:
            self.error = error
        finally:
            connection.close()

    def finish(self):
        self.join(PATIENCE_SECONDS)
        assert not self.is_alive()
        if self.error:
            raise self.error
        return self.answer


def someone_waits_for_a_lock():
    def waits():
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0]

    with connection.cursor() as cursor:
        eventually(waits, why="nobody waits")


def eventually(
    happened: Callable[[], Any], *, seconds: float = PATIENCE_SECONDS, why: str | Callable[[], str] = "it never came"
) -> Any:
    """Wait for what happened() says, and return it. AssertionError, with the reason, when the time is over."""
    deadline = time.monotonic() + seconds
    while not (result := happened()):
        assert time.monotonic() < deadline, why if isinstance(why, str) else why()
        time.sleep(0.05)
    return result
