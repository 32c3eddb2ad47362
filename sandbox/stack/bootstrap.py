"""Make .venv from nothing, with the packages of the two requirements files, each checked against its hash.

Run by `make` with whatever Python the machine has, before anything is installed: it imports nothing of ours
and must at least be readable by an old Python, so that it can say so.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

LEAST_PYTHON = (3, 11)
ROOT = Path(__file__).resolve().parent.parent.parent
VENV = ROOT / ".venv"
PYTHON = str(VENV / "bin" / "python")
UV = str(VENV / "bin" / "uv")
# Written last: `make` compares its age with that of the requirements.
STAMP = VENV / "installed"


def main() -> None:
    if sys.version_info < LEAST_PYTHON:
        sys.exit(
            "twofold: Python 3.11 or later is needed, this is {}.{}. Install a later one and name it: "
            "make PYTHON=/path/to/python3.11".format(*sys.version_info)
        )
    if not _is_usable():
        _make_environment()
    _install_packages()
    STAMP.touch()


def _is_usable() -> bool:
    """Whether .venv has a Python that runs, with pip: an upgrade of the system's may have removed it."""
    check = f"import sys, pip; sys.exit(sys.version_info < {LEAST_PYTHON})"
    return (
        Path(PYTHON).exists()
        and subprocess.run([PYTHON, "-c", check], capture_output=True, check=False).returncode == 0
    )


def _make_environment() -> None:
    print(f"twofold: making {VENV.name} with Python {sys.version.split()[0]}", flush=True)
    if _venv_made():
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("twofold: this Python has no ensurepip; installing Debian's python3-venv", flush=True)
        environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
        for arguments in (["update"], ["install", "--yes", "--no-install-recommends", "python3-venv"]):
            command = ["apt-get", "--quiet", "--quiet", *arguments]
            subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)
        if _venv_made():
            return
    sys.exit(
        "twofold: this Python cannot make a virtual environment with pip (see above). On Debian and Ubuntu: "
        "sudo apt-get install python3-venv. Or name another one: make PYTHON=/path/to/python3"
    )


def _venv_made() -> bool:
    shutil.rmtree(VENV, ignore_errors=True)
    return subprocess.run([sys.executable, "-m", "venv", VENV], check=False).returncode == 0


def _install_packages() -> None:
    """With uv, which takes seconds; with pip where uv cannot run."""
    environment = dict(os.environ, UV_PYTHON_DOWNLOADS="never", VIRTUAL_ENV=str(VENV), UV_SYSTEM_CERTS="1")
    requirements = ["requirements.txt", "requirements-uv.txt"]
    pip = [PYTHON, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--require-hashes"]
    print("twofold: installing the packages of requirements.txt", flush=True)
    has_uv = subprocess.run([*pip, "-r", requirements[1]], cwd=ROOT, check=False).returncode == 0
    sync = [UV, "pip", "sync", "--quiet", "--require-hashes", *requirements]
    if has_uv and subprocess.run(sync, cwd=ROOT, env=environment, check=False).returncode == 0:
        return
    print("twofold: uv could not do it, trying pip, which takes up to a minute", flush=True)
    if subprocess.run([*pip, "-r", requirements[0]], cwd=ROOT, check=False).returncode != 0:
        sys.exit("twofold: the packages could not be installed (see above). Is the network there?")


if __name__ == "__main__":
    main()
