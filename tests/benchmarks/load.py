"""python -m tests.benchmarks.load URL: asks for one address over kept connections, again and again, and counts.

A process of its own without Django, as light as Python allows: what it needs is taken from the same cores.
Prints {"pages", "seconds", "bytes", "own_seconds"} as JSON. An answer other than 200 ends it with an error.
"""

import argparse
import asyncio
import json
import time
from urllib.parse import urlsplit


class _Visitor(asyncio.Protocol):
    """One connection that asks again as soon as it is answered."""

    def __init__(self, *, request: bytes, over: asyncio.Event) -> None:
        self.request = request
        self.over = over
        self.pages = 0
        self.page_bytes = 0
        self.error = ""
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self._stop(head.partition(b"\r\n")[0].decode())
            return
        length = _content_length(head)
        if len(rest) < length:
            return
        self._buffer = b""
        self.pages += 1
        self.page_bytes = length
        self.transport.write(self.request)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.over.is_set():
            self._stop(f"the server closed the connection: {error}")

    def _stop(self, error: str) -> None:
        self.error = error
        self.over.set()


def _content_length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    if not found:
        raise ValueError("an answer without Content-Length")
    return int(rest.partition(b"\r\n")[0])


async def visit(url: str, *, seconds: float, connections: int) -> dict[str, float]:
    """Keep `connections` visitors busy for `seconds` and count the pages they got."""
    parts = urlsplit(url)
    over = asyncio.Event()
    asked = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    request = f"GET {asked} HTTP/1.1\r\nHost: {parts.hostname}\r\nAccept: text/html\r\n\r\n".encode()
    visitors = [_Visitor(request=request, over=over) for _ in range(connections)]
    began = time.monotonic()
    for visitor in visitors:
        await asyncio.get_running_loop().create_connection(lambda v=visitor: v, parts.hostname, parts.port)
    try:
        await asyncio.wait_for(over.wait(), seconds)
    except TimeoutError:
        over.set()
    took = time.monotonic() - began
    errors = [visitor.error for visitor in visitors if visitor.error]
    if errors:
        raise SystemExit(f"{url}: {errors[0]}")
    return {
        "pages": sum(visitor.pages for visitor in visitors),
        "seconds": took,
        "bytes": visitors[0].page_bytes,
        "own_seconds": time.process_time(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.load", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--connections", type=int, default=16)
    given = parser.parse_args()
    print(json.dumps(asyncio.run(visit(given.url, seconds=given.seconds, connections=given.connections))))


if __name__ == "__main__":
    main()
