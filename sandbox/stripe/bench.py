"""python -m sandbox.stripe.bench: how many payments a second the sandbox carries by itself.

One payment is one POST to create it, one to confirm it, and all its webhooks delivered to a sink that only answers.
Three processes share the machine: the sandbox, the sink, and this one, which sends the requests over kept connections.
The clock stops when the last webhook has been answered.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import socket
import time
from multiprocessing.connection import Connection
from urllib.parse import urlencode, urlsplit

from .testing import SECRET_KEY, running_sandbox

EVENTS_A_PAYMENT = 4  # created, charge.succeeded, succeeded, charge.updated
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class _SinkProtocol(asyncio.Protocol):
    """Answers 200 to every whole POST; knows only requests with a Content-Length."""

    taken = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while True:
            head, found, rest = self.buffer.partition(b"\r\n\r\n")
            if not found:
                return
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            if len(rest) < length:
                return
            self.buffer = rest[length:]
            _SinkProtocol.taken += 1
            assert isinstance(self.transport, asyncio.Transport)
            self.transport.write(ANSWER)


def _sink(listening: socket.socket, told: Connection) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(_SinkProtocol, sock=listening)
        async with server:
            while not told.poll():
                await asyncio.sleep(0.05)

    asyncio.run(serve())


async def _request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, params: dict[str, str]
) -> dict[str, str]:
    body = urlencode(params).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: sandbox\r\nAuthorization: Bearer {SECRET_KEY}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    answered = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    text = await reader.readexactly(int(answered.split("content-length:")[1].split("\r\n")[0]))
    found: dict[str, str] = json.loads(text)
    if not answered.startswith("http/1.1 200"):
        raise RuntimeError(f"{path}: {text.decode()}")
    return found


async def _donors(base_url: str, payments: int, at_once: int) -> None:
    """`at_once` donors, each with a connection of their own, make `payments` payments together."""
    parts = urlsplit(base_url)
    left = iter(range(payments))

    async def donor() -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        for number in left:
            created = await _request(
                reader,
                writer,
                "/v1/payment_intents",
                {
                    "amount": "5000",
                    "currency": "usd",
                    "automatic_payment_methods[enabled]": "true",
                    "metadata[donation]": str(number),
                },
            )
            confirmed = await _request(
                reader,
                writer,
                f"/v1/payment_intents/{created['id']}/confirm",
                {"payment_method": "pm_card_visa", "return_url": "http://127.0.0.1/"},
            )
            if confirmed["status"] != "succeeded":
                raise RuntimeError(f"A payment ended as {confirmed['status']}.")
        writer.close()

    await asyncio.gather(*(donor() for _ in range(at_once)))


def measure(payments: int, at_once: int) -> dict[str, float]:
    """Figures of one run: payments a second with all webhooks delivered, and the sandbox's processor time."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=256)
    tell, told = multiprocessing.Pipe()
    sink = multiprocessing.Process(target=_sink, args=(listening, told), daemon=True)
    sink.start()
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
    with running_sandbox("--webhook-url", url, "--webhook-concurrency", "16") as sandbox:
        asyncio.run(_donors(sandbox.base_url, at_once, at_once))  # warm
        sandbox.wait_idle()
        used, began = sandbox.state()["processor_seconds"], time.monotonic()
        asyncio.run(_donors(sandbox.base_url, payments, at_once))
        answered = time.monotonic() - began
        sandbox.wait_idle(120)
        whole = time.monotonic() - began
        used = sandbox.state()["processor_seconds"] - used
        made = sandbox.state()["objects"]["events"]
    tell.send("end")
    sink.join(5)
    if made != (payments + at_once) * EVENTS_A_PAYMENT:
        raise RuntimeError(f"{made} events were made, not {EVENTS_A_PAYMENT} for each payment.")
    return {
        "payments": payments,
        "payments_per_second": payments / whole,
        "answered_per_second": payments / answered,
        "webhooks_per_second": payments * EVENTS_A_PAYMENT / whole,
        "sandbox_processor_ms_per_payment": used / payments * 1_000,
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.stripe.bench", description=__doc__)
    parser.add_argument("--payments", type=int, default=5_000)
    parser.add_argument("--at-once", type=int, default=16)
    parser.add_argument("--json", action="store_true", help="the figures as one JSON object")
    given = parser.parse_args()
    figures = measure(given.payments, given.at_once)
    if given.json:
        print(json.dumps(figures))
        return 0
    print(f"Stripe sandbox, {os.cpu_count()} processors, {given.at_once} donors at once, {given.payments} payments:")
    print(f"  {figures['payments_per_second']:8.0f} payments/s (created, confirmed, all webhooks delivered)")
    print(f"  {figures['webhooks_per_second']:8.0f} webhooks/s, signed, {EVENTS_A_PAYMENT} a payment")
    print(f"  {figures['sandbox_processor_ms_per_payment']:8.2f} ms of processor for one payment in the sandbox")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
