"""The state kept between two runs."""

import pytest

from sandbox.stripe.testing import running_sandbox
from tests.sandbox.conftest import Payments, client_for, quick_arguments


def run(path, *knobs):
    return running_sandbox("--state", str(path), *quick_arguments(), *knobs)


def test_a_payment_is_known_and_refundable_after_a_restart(tmp_path):
    path = tmp_path / "state.json"
    with run(path) as first:
        paid = Payments(client_for(first)).pay(5_000, metadata={"gift": "g1"})
        first.wait_idle()
        payout = first.pay_out()
    with run(path) as second:
        client = client_for(second)
        found = client.v1.payment_intents.retrieve(paid.id, params={"expand": ["latest_charge.balance_transaction"]})
        assert (found.status, found.metadata["gift"]) == ("succeeded", "g1")
        assert found.latest_charge.balance_transaction.net == 4_825
        assert client.v1.refunds.create(params={"payment_intent": paid.id}).status == "succeeded"
        assert len(client.v1.balance_transactions.list(params={"payout": payout["id"]}).data) == 2
        kinds = [event.type for event in client.v1.events.list(params={"limit": 100}).data]
        assert kinds[:2] == ["charge.refunded", "refund.created"]
        assert kinds[-1] == "payment_intent.created"


def test_a_debit_under_way_settles_after_a_restart(tmp_path):
    path = tmp_path / "state.json"
    with run(path, "--knob", "bank_delay_ms=60000") as first:
        paid = Payments(client_for(first)).pay(method="pm_usBankAccount_success")
        assert paid.status == "processing"
    with run(path) as second:
        second.wait_idle()
        assert Payments(client_for(second)).get(paid).status == "succeeded"


@pytest.mark.parametrize("kept", ['{"format": 0}', "{broken"])
def test_it_starts_without_a_state_that_it_cannot_read(tmp_path, kept):
    path = tmp_path / "state.json"
    path.write_text(kept)
    with run(path) as control:
        assert control.state()["objects"]["payment_intents"] == 0
