"""The environment variables under which the site runs here, and the embedded parts they replace."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from sandbox.stack.ports import HOST
from sandbox.stack.processes import FOLDER_VARIABLE, StackError

# The demo's log-ins; load_sample_campaign makes them with the password it finds in DEMO_PASSWORD.
DEMO_USERS = ("development", "finance", "admin")
DEMO_PASSWORD = "demo-only-password"
TEST_STRIPE = {
    "STRIPE_SECRET_KEY": "sk_test_twofold_demo",
    "STRIPE_PUBLISHABLE_KEY": "pk_test_twofold_demo",
    "STRIPE_WEBHOOK_SECRET": "whsec_twofold_demo",
}
_LIVE_KEYS = ("sk_live_", "rk_live_", "pk_live_")


def given(name: str, environment: Mapping[str, str] = os.environ) -> str:
    """A variable's value without blanks around it, "" when it is missing."""
    return environment.get(name, "").strip()


def redis_url(port: int, *, number: int) -> str:
    return f"redis://{HOST}:{port}/{number}"


def with_other_number(url: str, number: int) -> str:
    """The same Redis server, another of its numbered databases."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('?')[0].partition('/')[0]}/{number}"


def throwaway_environment(folder: Path) -> dict[str, str]:
    """What a run of the tests needs beside its servers; never the caller's keys or mail server."""
    return {
        **TEST_STRIPE,
        "STRIPE_API_BASE": f"http://{HOST}:1",
        "EMAIL_URL": f"smtp://{HOST}:1",
        "SECRET_KEY": given("SECRET_KEY") or "only-for-one-run-" + secrets.token_urlsafe(48),
        "MEDIA_ROOT": str(folder / "media"),
        "STATIC_ROOT": str(folder / "static"),
        "STATIC_MANIFEST": "0",  # pages in the tests' own process need no collectstatic
        "DEMO_PASSWORD": DEMO_PASSWORD,
        "LEDGER_SIGNING_KEY": secrets.token_hex(32),
        FOLDER_VARIABLE: str(folder),
    }


def real_stripe(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The caller's own Stripe test keys, or {}. Raises StackError for live ones, or when one is missing."""
    keys = {name: given(name, environment) for name in TEST_STRIPE}
    if not any(keys.values()):
        return {}
    missing = [name for name, key in keys.items() if not key]
    if missing:
        raise StackError(
            f"{', '.join(missing)} missing: give all of {', '.join(keys)} to use Stripe's own test mode "
            "(`stripe listen --print-secret` prints the last one), or none of them to use the sandbox"
        )
    if any(key.startswith(_LIVE_KEYS) for key in keys.values()):
        raise StackError("these are live Stripe keys: the demo would charge real cards. Use test keys")
    return keys
