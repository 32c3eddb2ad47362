"""python -m sandbox.inbox: run the mailbox."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from aiohttp import web

from .smtp import Receiver, listen
from .store import Store
from .web import Calls, Pages

HOST = "127.0.0.1"


async def serve(smtp_port: int, port: int, folder: Path) -> int:
    """Both servers until SIGINT or SIGTERM; 1 when a port is taken."""
    receiver = Receiver(Store(folder))
    app = web.Application()
    app.add_routes([*Pages(receiver.store).routes(), *Calls(receiver).routes()])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
        smtp = await listen(receiver, HOST, smtp_port)
    except OSError as error:
        print(f"The inbox cannot listen: {error.strerror}. Choose another --port or --smtp-port.", file=sys.stderr)
        await runner.cleanup()
        return 1
    smtp_port, port = smtp.sockets[0].getsockname()[1], runner.addresses[0][1]
    print(f"Inbox ready on http://{HOST}:{port} (SMTP on {HOST}:{smtp_port}; nothing is sent on)", flush=True)
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()
    smtp.close()
    await runner.cleanup()
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.inbox", description="A mailbox for tests: takes mail by SMTP and shows it on a page."
    )
    parser.add_argument("--smtp-port", type=int, default=8025, help="0 takes a free one (default: 8025)")
    parser.add_argument("--port", type=int, default=8020, help="of the page; 0 takes a free one (default: 8020)")
    parser.add_argument("--dir", type=Path, default=Path("var/mail"), help="where mail is kept (default: var/mail)")
    given = parser.parse_args()
    return asyncio.run(serve(given.smtp_port, given.port, given.dir))


if __name__ == "__main__":
    raise SystemExit(main())
