"""A process of writers for the bank test: `python -m tests.concurrency.bank_writer SEED THREADS STOP_FILE SITE_URL`.

Each thread does one thing after another until the file is there, or the process is killed. What a fault or a refusal
may cause is forgotten; anything else is printed as UNEXPECTED, and the test fails.
"""

import random
import sys
import threading
import time
import traceback
from pathlib import Path

import django

django.setup()

import psycopg.errors  # noqa: E402
from django.db import InterfaceError, OperationalError, connection  # noqa: E402

from tests.concurrency.bank import REFUSALS, Writer  # noqa: E402

_TRUE_FAULTS = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)


def write(*, seed: str, stop: Path, site_url: str) -> None:
    rng = random.Random(f"{seed} timeouts")
    writer = None
    while not stop.exists():
        try:
            writer = writer or Writer(seed=seed, site_url=site_url)
            with connection.cursor() as cursor:
                cursor.execute("SET statement_timeout = %s", [rng.choice([4, 8]) if rng.random() < 0.06 else 0])
            writer.step()
        except REFUSALS:
            continue
        except (OperationalError, InterfaceError) as error:
            if isinstance(error.__cause__, _TRUE_FAULTS):
                _report(seed)
            connection.close()
            time.sleep(0.05)
        except Exception:
            _report(seed)
            connection.close()


def _report(seed: str) -> None:
    print(f"UNEXPECTED by writer {seed}\n{traceback.format_exc()}", flush=True)


def main(seed: str, threads: str, stop_file: str, site_url: str) -> None:
    stop = Path(stop_file)
    writers = [
        threading.Thread(target=write, kwargs={"seed": f"{seed}.{number}", "stop": stop, "site_url": site_url})
        for number in range(int(threads))
    ]
    for thread in writers:
        thread.start()
    print("writing", flush=True)
    for thread in writers:
        thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
