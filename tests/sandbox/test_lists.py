"""Lists: newest first, in pages, filtered; expand; customers."""

import time

import pytest
import stripe


def ids(found):
    return [one.id for one in found]


def test_lists_are_newest_first_and_paged(stripe_client, payments):
    made = [payments.create().id for _ in range(7)][::-1]
    first = stripe_client.v1.payment_intents.list(params={"limit": 3})
    assert (ids(first.data), first.has_more, first.url) == (made[:3], True, "/v1/payment_intents")
    second = stripe_client.v1.payment_intents.list(params={"limit": 4, "starting_after": made[2]})
    assert (ids(second.data), second.has_more) == (made[3:], False)
    back = stripe_client.v1.payment_intents.list(params={"limit": 2, "ending_before": made[4]})
    assert (ids(back.data), back.has_more) == (made[2:4], True)
    walked = stripe_client.v1.payment_intents.list(params={"limit": 2}).auto_paging_iter()
    assert ids(walked) == made


@pytest.mark.parametrize("limit", [0, 101, "many"])
def test_a_page_has_1_to_100_rows(stripe_client, limit):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_client.v1.charges.list(params={"limit": limit})
    assert refused.value.code == "parameter_invalid_integer"


def test_a_list_after_nothing_known_is_refused(stripe_client):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_client.v1.charges.list(params={"starting_after": "ch_none"})
    assert (refused.value.code, refused.value.param) == ("resource_missing", "starting_after")


def test_events_are_filtered_by_type_and_moment(sandbox, stripe_client, payments):
    payments.pay()
    sandbox.wait_idle()
    now = int(time.time())

    def found(**params):
        return [event.type for event in stripe_client.v1.events.list(params=params).data]

    assert found(type="charge.succeeded") == ["charge.succeeded"]
    assert found(types=["payment_intent.*"]) == ["payment_intent.succeeded", "payment_intent.created"]
    assert found(created={"gt": now + 5}) == []
    assert len(found(created={"gte": now - 60, "lte": now + 5})) == 4
    assert found(created={"lt": now - 60}) == []


def test_events_are_filtered_by_delivery(sandbox, sink, stripe_client, payments):
    sandbox.knobs(drop_next=1)
    payments.pay()
    sandbox.wait_idle()

    def found(success):
        return [event.type for event in stripe_client.v1.events.list(params={"delivery_success": success}).data]

    assert found(False) == ["payment_intent.created"]
    assert found(True) == ["charge.updated", "payment_intent.succeeded", "charge.succeeded"]


def test_an_event_keeps_the_object_as_it_was(stripe_client, payments):
    paid = payments.pay()
    made = stripe_client.v1.events.list(params={"type": "payment_intent.created"}).data[0]
    assert made.data.object["status"] == "requires_payment_method"
    again = stripe_client.v1.events.retrieve(made.id)
    assert again.data.object["id"] == paid.id


def test_expand_goes_four_levels_deep_and_no_further(sandbox, stripe_client, payments):
    paid = payments.pay()
    sandbox.wait_idle()
    found = stripe_client.v1.payment_intents.list(params={"expand": ["data.latest_charge.balance_transaction.source"]})
    assert found.data[0].latest_charge.balance_transaction.source.id == payments.charge(paid).id
    for wrong in ("metadata", "latest_charge.payment_intent.latest_charge.payment_intent.customer"):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            payments.get(paid, wrong)
        assert refused.value.param == "expand"


def test_customers_live_and_leave_a_mark(stripe_client, payments):
    v1 = stripe_client.v1.customers
    made = v1.create(params={"name": "Ann Lee", "email": "ann@example.com", "address": {"city": "Riverbend"}})
    assert (made.address.city, made.address.country) == ("Riverbend", None)
    v1.update(made.id, params={"name": "Ann Li", "metadata": {"donor": "1"}})
    assert ids(v1.list(params={"email": "ann@example.com"}).data) == [made.id]
    paid = payments.pay(customer=made.id)
    assert payments.get(paid, "customer").customer.name == "Ann Li"
    assert v1.delete(made.id).deleted is True
    assert v1.retrieve(made.id).deleted is True
    assert v1.list().data == []
    with pytest.raises(stripe.InvalidRequestError):
        payments.create(customer="cus_none")


def test_a_charge_takes_metadata(stripe_client, payments):
    charge = payments.pay().latest_charge
    assert stripe_client.v1.charges.update(charge, params={"metadata": {"receipt": "R-1"}}).metadata["receipt"] == "R-1"


def test_the_balance_adds_up(sandbox, stripe_client, payments):
    payments.pay(10_000)
    sandbox.wait_idle()
    assert stripe_client.v1.balance.retrieve().pending[0].amount == 10_000 - 320


def test_a_call_that_is_not_stripes_is_a_404(stripe_client):
    with pytest.raises(stripe.InvalidRequestError, match="Unrecognized request URL"):
        stripe_client.raw_request("get", "/v1/donations")
