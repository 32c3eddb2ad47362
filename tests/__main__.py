"""All tests, in two halves side by side, each with a PostgreSQL and a Valkey of its own: the last step of `make test`.

One half calls the code; the other runs the whole site as processes and opens it in the browser, and mostly waits. The
first half's output is shown as it comes, the second's when the first is done. Arguments go to both.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CALLS, RUNS = "not site and not browser", "site or browser"
_ALL_WELL, _NO_TESTS = 0, 5


def main(arguments: list[str]) -> int:
    """The exit code of the half that failed, if one did. Ctrl-C reaches both, which then clean up after themselves.

    Arguments may choose tests of one half alone: then the other has none, and that is well.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "output"
        runs = _start(RUNS, arguments, log=log)
        calls = _start(CALLS, arguments, log=None)
        try:
            calls.wait()
            _show(log, until=runs)
        except KeyboardInterrupt:
            pass
        codes = [calls.wait(), runs.wait()]
    if arguments and codes != [_NO_TESTS, _NO_TESTS]:
        codes = [code for code in codes if code != _NO_TESTS]
    return next((code for code in codes if code != _ALL_WELL), _ALL_WELL)


def _start(which: str, arguments: list[str], *, log: Path | None) -> subprocess.Popen[bytes]:
    stack = [sys.executable, "-m", "sandbox.stack", "--die-with-parent", "run", "--"]
    command = [*stack, sys.executable, "-m", "pytest", "-m", which, *arguments]
    if log is None:
        return subprocess.Popen(command)
    with log.open("wb") as output:
        return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)


def _show(log: Path, *, until: subprocess.Popen[bytes]) -> None:
    """Copy what was written so far, and then what comes, until the process has ended."""
    with log.open("rb") as output:
        is_over = False
        while not is_over:
            is_over = until.poll() is not None
            shutil.copyfileobj(output, sys.stdout.buffer)
            sys.stdout.flush()
            time.sleep(0 if is_over else 0.5)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
