"""A headless Chromium for the tests: found on the machine, or installed where that can be done.

`python -m sandbox.browser` makes sure that there is one and prints its path.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

# CHROMIUM comes first. Snap's and flatpak's wrappers that cannot run here are passed over.
NAMES = ("chromium-headless-shell", "chromium", "google-chrome", "google-chrome-stable", "chromium-browser")
PACKAGES = ("chromium-headless-shell", "chromium")
ARGUMENTS = (
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
_NPM_PACKAGE = "@sparticuz/chromium@147.0.0"
_NPM_FOLDER = Path(__file__).resolve().parent.parent / ".venv" / "browser"
_NPM_CHROMIUM = _NPM_FOLDER / "chromium"
_UNPACK = 'await (await import("@sparticuz/chromium")).default.executablePath()'


class NoBrowser(Exception):
    """No Chromium could be had; the text says what was tried and what to do."""


def arguments() -> list[str]:
    """Chromium's flags. Its own sandbox does not work for root."""
    return [*ARGUMENTS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]


def find() -> str | None:
    """The path of a Chromium that runs, or None. Raises NoBrowser when CHROMIUM names one that does not."""
    named = os.environ.get("CHROMIUM")
    if named:
        path = shutil.which(named)
        if path and _runs(path):
            return path
        raise NoBrowser(f"CHROMIUM={named} cannot be run: name another, or unset it")
    found = (shutil.which(name) for name in NAMES)
    return next((path for path in (*found, str(_NPM_CHROMIUM)) if path and _runs(path)), None)


def ensure() -> str:
    """The path of a Chromium that runs, installed first where there is none. Raises NoBrowser."""
    return find() or _install_from_debian() or _install_from_npm() or _give_up()


def is_skipped() -> bool:
    """Whether the person running the tests has chosen to go without a browser."""
    return os.environ.get("SKIP_BROWSER", "") not in {"", "0"}


def _runs(path: str) -> bool:
    try:
        done = subprocess.run([path, "--no-sandbox", "--version"], capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _install_from_debian() -> str | None:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return None
    print("twofold: no Chromium here; installing Debian's", flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    _run(["apt-get", "update", "-qq"], environment)
    for package in PACKAGES:
        _run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", package], environment)
        path = find()
        if path:
            return path
    return None


def _install_from_npm() -> str | None:
    if not (shutil.which("npm") and shutil.which("node")):
        return None
    print("twofold: no Chromium here; installing npm's @sparticuz/chromium into .venv/browser", flush=True)
    _NPM_FOLDER.mkdir(parents=True, exist_ok=True)
    (_NPM_FOLDER / "package.json").write_text('{"private": true}\n')
    environment = os.environ | {"TMPDIR": str(_NPM_FOLDER)}
    command = ["npm", "install", "--silent", "--ignore-scripts", "--no-package-lock", _NPM_PACKAGE]
    if _run(command, environment) and _run(["node", "--input-type=module", "-e", _UNPACK], environment):
        return find()
    return None


def _run(command: list[str], environment: dict[str, str]) -> bool:
    """Run a step of an installation, in silence unless it fails."""
    cwd = _NPM_FOLDER if _NPM_FOLDER.is_dir() else None
    done = subprocess.run(
        command,
        env=environment,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode != 0:
        print(f"twofold: {' '.join(command)} failed:\n{done.stdout.decode(errors='replace')}", file=sys.stderr)
    return done.returncode == 0


def _give_up() -> str:
    raise NoBrowser(
        "NO BROWSER: the journeys through the site cannot be tested without a headless Chromium. None of "
        f"{', '.join(NAMES)} runs here, and neither apt-get (as root) nor npm could install one. Install one, name "
        "it with CHROMIUM=/path/to/chromium, or leave these tests out with SKIP_BROWSER=1"
    )


def main() -> int:
    if is_skipped():
        print("twofold: SKIP_BROWSER is set: THE TESTS THAT NEED A BROWSER WILL NOT BE RUN", file=sys.stderr)
        return 0
    try:
        print(f"twofold: browser {ensure()}", flush=True)
    except NoBrowser as error:
        print(f"twofold: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
