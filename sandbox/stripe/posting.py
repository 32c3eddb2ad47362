"""HTTP POST over kept connections, and nothing else.

Webhooks outnumber payments four to one, and a general client costs several times what the posting does; this one does
plain HTTP/1.1 to a loopback address.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlsplit

Connection: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
ANSWER_HEAD_BYTES = 65_536
IDLE_LIMIT = 64


class PostFailed(OSError):
    """No whole answer came: refused, reset, or timed out. The message says which."""


@dataclass(frozen=True)
class Target:
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, url: str) -> Target:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"A webhook address looks like http://127.0.0.1:8000/webhooks/stripe/; not {url!r}.")
        query = f"?{parts.query}" if parts.query else ""
        return cls(parts.hostname, parts.port or 80, (parts.path or "/") + query)


class Poster:
    """A pool of connections, reused per host and port."""

    def __init__(self) -> None:
        self._idle: dict[tuple[str, int], list[Connection]] = {}

    async def post(self, target: Target, body: bytes, headers: dict[str, str], timeout_seconds: float) -> int:
        """The status of the answer; its body is read and thrown away. Raises PostFailed."""
        head = f"POST {target.path} HTTP/1.1\r\nHost: {target.host}:{target.port}\r\nContent-Length: {len(body)}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
        message = head.encode() + body
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._post(target, message)
        except TimeoutError as error:
            raise PostFailed(f"no answer within {timeout_seconds:g} s") from error
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
            raise PostFailed(str(error) or type(error).__name__) from error

    async def _post(self, target: Target, message: bytes) -> int:
        idle = self._idle.setdefault((target.host, target.port), [])
        while idle:
            connection = idle.pop()
            if connection[1].is_closing() or connection[0].at_eof():
                connection[1].close()
                continue
            try:
                return await self._exchange(connection, message, idle)
            except (ConnectionError, asyncio.IncompleteReadError):
                continue  # the server closed it while it was idle; try the next, then a new one
        connection = await asyncio.open_connection(target.host, target.port, limit=ANSWER_HEAD_BYTES)
        return await self._exchange(connection, message, idle)

    async def _exchange(self, connection: Connection, message: bytes, idle: list[Connection]) -> int:
        reader, writer = connection
        whole = False
        try:
            writer.write(message)
            status, reusable = await _read_answer(reader)
            whole = reusable
        finally:
            if whole and len(idle) < IDLE_LIMIT:
                idle.append(connection)
            else:
                writer.close()
        return status

    async def close(self) -> None:
        for connections in self._idle.values():
            for _reader, writer in connections:
                writer.close()
        self._idle.clear()


async def _read_answer(reader: asyncio.StreamReader) -> tuple[int, bool]:
    """The status, and whether the connection can be used again."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    status = int(head.split(" ", 2)[1])
    headers = dict(line.split(":", 1) for line in head.split("\r\n")[1:] if ":" in line)
    reusable = "close" not in headers.get("connection", "")
    if "chunked" in headers.get("transfer-encoding", ""):
        await _read_chunks(reader)
    elif "content-length" in headers:
        await reader.readexactly(int(headers["content-length"]))
    elif status not in (204, 304):
        await reader.read()
        reusable = False
    return status, reusable


async def _read_chunks(reader: asyncio.StreamReader) -> None:
    while True:
        size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
        await reader.readexactly(size + 2)
        if size == 0:
            return
