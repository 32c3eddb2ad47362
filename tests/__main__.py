"""All tests, in seven parts side by side, each with a PostgreSQL and a Valkey of its own: the last step of `make test`.

Four parts call the code, one runs the site as processes that are stopped and killed, two open it in the browser. The
last three mostly wait. The first part's output is shown as it comes, the others' after it. Arguments go to each.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CALLS = "not site and not browser"
FIRST = f"donors and not stripe and {CALLS}"
OTHERS = (
    *(f"office and not stripe and {CALLS}", f"stripe and {CALLS}"),
    f"not donors and not office and not stripe and {CALLS}",
    *("site and not browser", "site and browser", "browser and not site"),
)
_ALL_WELL, _NO_TESTS = 0, 5
# Marks that a folder gives (conftest.py): a part that wants only these, or none of them, need not read the others.
_DONATIONS = Path(__file__).parent / "donations"
_ELSEWHERE = [folder for folder in Path(__file__).parent.iterdir() if folder.is_dir() and folder != _DONATIONS]


def main(arguments: list[str]) -> int:
    """The exit code of a part that failed, if one did. Ctrl-C reaches all, which then clean up after themselves.

    Arguments may choose tests of one part alone: then the others have none, and that is well.
    """
    with tempfile.TemporaryDirectory() as folder:
        logs = {which: Path(folder) / which.replace(" ", "-") for which in OTHERS}
        others = {which: _start(which, arguments, log=log) for which, log in logs.items()}
        first = _start(FIRST, arguments, log=None)
        try:
            first.wait()
            for which, log in logs.items():
                _show(log, until=others[which])
        except KeyboardInterrupt:
            pass
        codes = [part.wait() for part in (first, *others.values())]
    if arguments and set(codes) != {_NO_TESTS}:
        codes = [code for code in codes if code != _NO_TESTS]
    return next((code for code in codes if code != _ALL_WELL), _ALL_WELL)


def _start(which: str, arguments: list[str], *, log: Path | None) -> subprocess.Popen[bytes]:
    stack = [sys.executable, "-m", "sandbox.stack", "--die-with-parent", "run", "--"]
    unread = _ELSEWHERE if which.startswith(("donors", "office")) else [_DONATIONS] if "not office" in which else []
    ignored = [f"--ignore={folder}" for folder in unread]
    command = [*stack, sys.executable, "-m", "pytest", "-m", which, *ignored, *arguments]
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
