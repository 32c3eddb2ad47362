"""Two connections in one test: what somebody else does at the same moment."""

import threading
import time

from django.db import connection


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
        self.join(20)
        assert not self.is_alive()
        if self.error:
            raise self.error
        return self.answer


def someone_waits_for_a_lock():
    deadline = time.monotonic() + 5
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
            time.sleep(0.02)
    raise AssertionError("nobody waits")
