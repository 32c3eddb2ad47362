"""Part 5: how many payments the stand-in for Stripe carries: more than the site asks, or it would be measured too."""

import json
import subprocess
import sys

from tests.benchmarks import tables

PAYMENTS = 3_000
_AT_ONCE = 16


def show() -> None:
    command = [sys.executable, "-m", "sandbox.stripe.bench", "--json"]
    command += ["--payments", str(PAYMENTS), "--at-once", str(_AT_ONCE)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=120, check=True)
    figures = json.loads(done.stdout)
    row = [
        "created, confirmed, webhooks delivered",
        f"{figures['payments']:,}",
        tables.rate(figures["payments_per_second"]),
        tables.rate(figures["webhooks_per_second"]),
        tables.ms(figures["sandbox_processor_ms_per_payment"]),
    ]
    tables.show(
        f"5. The Stripe sandbox alone, {_AT_ONCE} donors at once",
        heads=["", "payments", "payments/s", "webhooks/s", "processor a payment"],
        rows=[row],
    )
