"""The environment variables under which the site runs here, and the embedded parts they replace."""

import os
from collections.abc import Mapping

from sandbox.stack.ports import HOST

ROOT_VARIABLES = ("DATABASE_URL", "REDIS_URL", "EMAIL_URL", "STRIPE_SECRET_KEY")
TEST_STRIPE = {
    "STRIPE_SECRET_KEY": "sk_test_twofold_demo",
    "STRIPE_PUBLISHABLE_KEY": "pk_test_twofold_demo",
    "STRIPE_WEBHOOK_SECRET": "whsec_twofold_demo",
}


def redis_url(port: int, *, number: int) -> str:
    return f"redis://{HOST}:{port}/{number}"


def with_other_number(url: str, number: int) -> str:
    """The same Redis server, another of its numbered databases."""
    base, _, _ = url.partition("?")
    scheme, _, rest = base.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}/{number}"


def given(name: str, environment: Mapping[str, str] = os.environ) -> str:
    """A variable's value, "" when it is missing or blank."""
    return environment.get(name, "").strip()
