"""python -m sandbox.stripe: run the stand-in for Stripe."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from .knobs import KnobRefused, Knobs
from .posting import Target
from .server import HOST, Server, Settings


def read_settings(arguments: list[str]) -> Settings:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.stripe", description="An offline stand-in for Stripe. No money moves."
    )
    parser.add_argument("--port", type=int, default=8010, help="0 takes a free one (default: 8010)")
    parser.add_argument("--webhook-url", default="", help="where events are posted; none: events are only listed")
    parser.add_argument("--webhook-secret", default="whsec_twofold_demo", help="several, for rotation: a,b")
    parser.add_argument("--secret-key", default="sk_test_twofold_demo")
    parser.add_argument("--publishable-key", default="pk_test_twofold_demo")
    parser.add_argument("--state", type=Path, help="keep the account here between runs (default: nowhere)")
    parser.add_argument("--seed", type=int, help="the same run again: identifiers and chance (default: at random)")
    parser.add_argument("--knob", action="append", default=[], metavar="NAME=VALUE", help="e.g. bank_delay_ms=2000")
    parser.add_argument("--webhook-concurrency", type=int, default=8, help="webhooks under way at once (default: 8)")
    given = parser.parse_args(arguments)
    knobs = Knobs(webhook_url=given.webhook_url, webhook_secrets=given.webhook_secret.split(","))
    try:
        if given.webhook_url:
            Target.parse(given.webhook_url)
        knobs.turn(**dict(_knob(text) for text in given.knob))
    except (KnobRefused, ValueError) as error:
        parser.error(str(error))
    return Settings(
        port=given.port,
        secret_key=given.secret_key,
        publishable_key=given.publishable_key,
        knobs=knobs,
        seed=given.seed,
        state=given.state,
        record=os.environ.get("SANDBOX_RECORD") or None,
        concurrency=given.webhook_concurrency,
    )


def _knob(text: str) -> tuple[str, object]:
    """NAME=VALUE to a knob's value: JSON where it is JSON, text where not."""
    name, separator, value = text.partition("=")
    if not separator:
        raise KnobRefused(f"--knob takes NAME=VALUE; not {text!r}.")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


async def serve(settings: Settings) -> int:
    server = Server(settings)
    try:
        await server.start()
    except OSError as error:
        print(f"The Stripe sandbox cannot listen on {HOST}:{settings.port}: {error.strerror}. Choose another --port.")
        return 1
    print(f"Stripe sandbox ready on http://{HOST}:{server.port} (test only: no money moves)", flush=True)
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()
    await server.stop()
    return 0


def main() -> int:
    return asyncio.run(serve(read_settings(sys.argv[1:])))


if __name__ == "__main__":
    raise SystemExit(main())
