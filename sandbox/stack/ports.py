"""Loopback ports: finding free ones, and saying clearly which one is taken."""

import os
import random
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

HOST = "127.0.0.1"
# Below the range from which Linux draws ports for outgoing connections: none is lost between choice and use.
_FREE_RANGE = range(20_000, 32_000)
_LISTEN = "0A"


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
    """A random free loopback port. Nothing reserves it: start the server soon.

    From the system's randomness: Hypothesis seeds Python's own, and two runs of the tests at once would then choose
    the same ports, which granian shares without a word.
    """
    for port in random.SystemRandom().sample(_FREE_RANGE, 200):
        if is_free(port):
            return port
    raise OSError("200 ports tried between 20000 and 32000 and none was free")


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
