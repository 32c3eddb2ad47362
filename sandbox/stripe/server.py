"""The HTTP server: the API, the browser's pages and the control calls, on one port."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from . import control_api, keeping, pages
from .account import Account
from .api import Api, ApiKeys
from .delivery import Deliveries
from .events import Events
from .knobs import Knobs
from .recording import Recorder

HOST = "127.0.0.1"
BODY_LIMIT_BYTES = 1_048_576


@dataclass(frozen=True)
class Settings:
    port: int
    secret_key: str
    publishable_key: str
    knobs: Knobs
    seed: int | None = None
    record: str | None = None
    state: Path | None = None  # where the account's state is kept between runs; None: nowhere
    concurrency: int = 8


class Server:
    """A running sandbox. `start` in an event loop, then `stop`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.recorder = Recorder(settings.record)
        self.account = Account(knobs=settings.knobs, seed=settings.seed)
        self.account.events = Events(self.account, self.recorder)
        self.account.deliveries = Deliveries(self.account, concurrency=settings.concurrency)
        self.api = Api(self.account, ApiKeys(settings.secret_key, settings.publishable_key), self.recorder)
        self.port = settings.port
        self.keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen; port 0 takes a free one, `self.port` then says which."""
        app = web.Application(client_max_size=BODY_LIMIT_BYTES)
        app.router.add_route("*", "/v1/{call:.*}", self.api)
        app.add_routes(control_api.routes(self.api))
        app.add_routes(pages.routes(self.api))
        self.runner = web.AppRunner(app, access_log=None)
        await self.runner.setup()
        site = web.TCPSite(self.runner, HOST, self.settings.port, backlog=1_024)
        await site.start()
        self.port = self.runner.addresses[0][1]
        self.account.public_url = f"http://{HOST}:{self.port}"
        self.account.deliveries.start()
        if self.settings.state:
            keeping.load(self.account, self.settings.state)
            keeping.take_up(self.account)
            self.keeping = asyncio.get_running_loop().create_task(keeping.keep(self.account, self.settings.state))

    async def stop(self) -> None:
        for timer in self.account.timers:
            timer.cancel()
        if self.keeping and self.settings.state:
            self.keeping.cancel()
            keeping.save(self.account, self.settings.state)
        await self.account.deliveries.stop()
        await self.runner.cleanup()
        self.recorder.close()
