"""Loopback ports: finding free ones, and saying clearly which one is taken."""

import os
import random
import socket
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

HOST = "127.0.0.1"
# Below the range from which Linux draws ports for outgoing connections: none is lost between choice and use.
_FIRST, _SLOTS, _PORTS_OF_A_SLOT = 20_000, 200, 60
_LISTEN = "0A"
_turn = count(random.SystemRandom().randrange(_PORTS_OF_A_SLOT))


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A free loopback port, and another one each time. Nothing reserves it: start the server soon.

    Of a slot of this process's own, since two that draw from one range at one moment would now and then draw the same
    port, and then meet on one server. From the system's randomness: Hypothesis seeds Python's own.
    """
    for step in range(_SLOTS):
        first = _FIRST + (os.getpid() + step) % _SLOTS * _PORTS_OF_A_SLOT
        for _ in range(_PORTS_OF_A_SLOT):
            port = first + next(_turn) % _PORTS_OF_A_SLOT
            if is_free(port):
                return port
    raise OSError(f"no port between {_FIRST} and {_FIRST + _SLOTS * _PORTS_OF_A_SLOT} is free")


def accepts(port: int) -> bool:
    """Whether something answers a TCP connection on this loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def holder(port: int) -> str:
    """Who listens on a port, as "name, process 123", or "" where the system will not tell (Linux only)."""
    tables = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
    sockets = {f"socket:[{inode}]" for table in tables for inode in _listening_inodes(table, port)}
    for entry in Path("/proc").glob("[0-9]*"):
        if sockets and sockets & set(_open_files(entry)):
            with suppress(OSError):
                return f"{(entry / 'comm').read_text().strip()}, process {entry.name}"
    return ""


def _open_files(entry: Path) -> Iterator[str]:
    """What a process has open; nothing for one that is gone, or another user's."""
    with suppress(OSError):
        for name in os.listdir(entry / "fd"):
            with suppress(OSError):
                yield os.readlink(entry / "fd" / name)


def _listening_inodes(table: Path, port: int) -> list[str]:
    try:
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
    except OSError:
        return []
    return [row[9] for row in rows if row[3] == _LISTEN and int(row[1].rpartition(":")[2], 16) == port]
