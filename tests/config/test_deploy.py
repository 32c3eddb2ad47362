"""`manage.py check --deploy` names what a site that takes money lacks."""

import pytest

from donations.checks import stripe_is_configured


@pytest.mark.parametrize("name", ["STRIPE_SECRET_KEY", "STRIPE_PUBLISHABLE_KEY", "STRIPE_WEBHOOK_SECRETS"])
def test_it_names_a_key_of_stripe_that_is_missing(settings, name):
    settings.STRIPE_SECRET_KEY, settings.STRIPE_PUBLISHABLE_KEY = "sk_test_x", "pk_test_x"
    settings.STRIPE_WEBHOOK_SECRETS = ["whsec_x"]
    assert stripe_is_configured(None) == []
    setattr(settings, name, "" if isinstance(getattr(settings, name), str) else [])
    assert [error.msg for error in stripe_is_configured(None)] == [f"{name.replace('SECRETS', 'SECRET')} is not set."]
