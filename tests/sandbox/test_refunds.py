"""Refunds and disputes."""

import pytest
import stripe


def refund(client, intent, **more):
    return client.v1.refunds.create(params={"payment_intent": intent.id, **more})


def kinds(client, *patterns):
    params = {"limit": 100, "types": list(patterns)}
    return [event.type for event in client.v1.events.list(params=params).data][::-1]


def test_it_refunds_in_parts_until_nothing_is_left(sandbox, stripe_client, payments):
    paid = payments.pay(5_000)
    assert refund(stripe_client, paid, amount=2_000, reason="requested_by_customer").status == "succeeded"
    charge = payments.charge(paid)
    assert (charge.amount_refunded, charge.refunded) == (2_000, False)
    assert refund(stripe_client, paid).amount == 3_000
    charge = payments.charge(paid)
    assert (charge.amount_refunded, charge.refunded) == (5_000, True)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        refund(stripe_client, paid, amount=1)
    assert refused.value.code == "charge_already_refunded"
    assert kinds(stripe_client, "refund.*", "charge.refunded") == ["refund.created", "charge.refunded"] * 2
    rows = stripe_client.v1.balance_transactions.list(params={"type": "refund"}).data
    assert sorted((row.amount, row.fee) for row in rows) == [(-3_000, 0), (-2_000, 0)]


def test_it_refunds_by_charge(stripe_client, payments):
    paid = payments.pay()
    made = stripe_client.v1.refunds.create(params={"charge": paid.latest_charge, "metadata": {"who": "finance"}})
    assert (made.payment_intent, made.metadata["who"]) == (paid.id, "finance")
    assert [one.id for one in stripe_client.v1.refunds.list(params={"payment_intent": paid.id}).data] == [made.id]


def test_it_refuses_more_than_is_left(stripe_client, payments):
    paid = payments.pay(5_000)
    refund(stripe_client, paid, amount=2_000)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        refund(stripe_client, paid, amount=3_001)
    assert refused.value.user_message == ("Refund amount ($30.01) is greater than unrefunded amount on charge ($30.00)")
    assert payments.charge(paid).amount_refunded == 2_000


def test_an_unpaid_intent_has_nothing_to_refund(stripe_client, payments):
    with pytest.raises(stripe.InvalidRequestError, match="does not have a successful charge"):
        refund(stripe_client, payments.create())


def test_a_refund_can_fail_later_and_the_charge_gets_its_money_back(sandbox, stripe_client, payments):
    paid = payments.pay(method="pm_card_refundFail")
    made = refund(stripe_client, paid, amount=2_000)
    assert made.status == "succeeded"
    sandbox.wait_idle()
    after = stripe_client.v1.refunds.retrieve(made.id)
    assert (after.status, after.failure_reason) == ("failed", "expired_or_canceled_card")
    assert payments.charge(paid).amount_refunded == 0
    assert kinds(stripe_client, "refund.*") == ["refund.created", "refund.updated", "refund.failed"]
    rows = stripe_client.v1.balance_transactions.list(params={"source": made.id}).data
    assert sum(row.net for row in rows) == 0


def test_a_refund_can_be_pending_first(sandbox, stripe_client, payments):
    paid = payments.pay(method="pm_card_pendingRefund")
    made = refund(stripe_client, paid)
    assert made.status == "pending"
    sandbox.wait_idle()
    assert stripe_client.v1.refunds.retrieve(made.id).status == "succeeded"


def test_a_refund_from_the_dashboard_is_told_by_events(sandbox, stripe_client, payments):
    paid = payments.pay()
    made = sandbox.trigger_refund(paid.id, 1_500)
    event = stripe_client.v1.events.list(params={"type": "refund.created"}).data[0]
    assert (event.data.object["id"], event.data.object["amount"]) == (made["id"], 1_500)
    assert event.request.id is None


def test_a_card_refund_cannot_be_cancelled(stripe_client, payments):
    made = refund(stripe_client, payments.pay())
    with pytest.raises(stripe.InvalidRequestError, match="requires_action"):
        stripe_client.v1.refunds.cancel(made.id)


# Disputes


def test_a_disputed_card_takes_the_money_back(sandbox, stripe_client, payments):
    paid = payments.pay(5_000, "pm_card_createDispute")
    sandbox.wait_idle()
    dispute = stripe_client.v1.disputes.list(params={"payment_intent": paid.id}).data[0]
    assert (dispute.amount, dispute.reason, dispute.status) == (5_000, "fraudulent", "needs_response")
    assert payments.charge(paid).disputed is True
    assert kinds(stripe_client, "charge.dispute.*") == ["charge.dispute.created", "charge.dispute.funds_withdrawn"]
    assert [(row.amount, row.fee) for row in dispute.balance_transactions] == [(-5_000, 1_500)]
    with pytest.raises(stripe.InvalidRequestError) as refused:
        refund(stripe_client, paid)
    assert refused.value.code == "charge_disputed"


@pytest.mark.parametrize(("evidence", "status"), [("winning_evidence", "won"), ("losing_evidence", "lost")])
def test_evidence_decides_a_dispute(sandbox, stripe_client, payments, evidence, status):
    payments.pay(method="pm_card_createDispute")
    sandbox.wait_idle()
    dispute = stripe_client.v1.disputes.list().data[0]
    params = {"evidence": {"uncategorized_text": evidence}, "submit": True}
    assert stripe_client.v1.disputes.update(dispute.id, params=params).status == "under_review"
    sandbox.wait_idle()
    after = stripe_client.v1.disputes.retrieve(dispute.id)
    assert after.status == status
    assert sum(row.amount for row in after.balance_transactions) == (0 if status == "won" else -5_000)
    assert kinds(stripe_client, "charge.dispute.closed") == ["charge.dispute.closed"]


def test_a_dispute_is_opened_and_closed_by_hand_once(sandbox, stripe_client, payments):
    paid = payments.pay(5_000)
    refund(stripe_client, paid, amount=1_000)
    opened = sandbox.open_dispute(paid.id, reason="product_not_received")
    assert (opened["amount"], opened["reason"]) == (4_000, "product_not_received")
    assert sandbox.close_dispute(paid.id, won=True)["status"] == "won"
    assert sandbox.close_dispute(paid.id, won=False)["status"] == "won"
    assert kinds(stripe_client, "charge.dispute.funds_reinstated") == ["charge.dispute.funds_reinstated"]


def test_an_inquiry_takes_nothing_and_the_gift_can_still_be_refunded(sandbox, stripe_client, payments):
    paid = payments.pay(5_000, "pm_card_createDisputeInquiry")
    sandbox.wait_idle()
    asked = stripe_client.v1.disputes.list(params={"payment_intent": paid.id}).data[0]
    assert (asked.status, asked.balance_transactions) == ("warning_needs_response", [])
    assert kinds(stripe_client, "charge.dispute.*") == ["charge.dispute.created"]
    assert refund(stripe_client, paid).status == "succeeded"
    assert sandbox.close_dispute(paid.id, won=True)["status"] == "warning_closed"
    assert kinds(stripe_client, "charge.dispute.funds_*") == []


def test_giving_up_loses_a_dispute(sandbox, stripe_client, payments):
    paid = payments.pay()
    opened = sandbox.open_dispute(paid.id)
    assert stripe_client.v1.disputes.close(opened["id"]).status == "lost"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_client.v1.disputes.close(opened["id"])
    assert refused.value.code == "dispute_already_closed"


def test_a_disputed_bank_debit_is_lost_at_once(sandbox, stripe_client, payments):
    payments.pay(method="pm_usBankAccount_dispute")
    sandbox.wait_idle()
    assert stripe_client.v1.disputes.list().data[0].status == "lost"


def test_a_payout_holds_what_is_in_the_balance(sandbox, stripe_client, payments):
    paid = payments.pay(10_000)
    refund(stripe_client, paid, amount=1_000)
    sandbox.wait_idle()
    payout = sandbox.pay_out()
    assert payout["amount"] == 10_000 - 320 - 1_000
    inside = stripe_client.v1.balance_transactions.list(params={"payout": payout["id"], "limit": 100}).data
    assert sorted(row.type for row in inside) == ["charge", "payout", "refund"]
    assert sum(row.net for row in inside) == 0
    assert kinds(stripe_client, "payout.*") == ["payout.created", "payout.paid", "payout.reconciliation_completed"]
