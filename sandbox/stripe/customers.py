"""Customers."""

from __future__ import annotations

from .account import Account, Object, in_range, page
from .errors import missing
from .parameters import merged_metadata

TEXTS = ("description", "email", "name", "phone", "address", "shipping")


def create(account: Account, params: Object) -> Object:
    customer: Object = {
        "id": account.make_id("cus"),
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": account.now(),
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": account.token(8).upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": merged_metadata({}, params.get("metadata")),
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": params.get("preferred_locales", []),
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }
    customer.update(_texts(params))
    account.customers.add(customer)
    account.events.emit("customer.created", customer)
    return customer


def _texts(params: Object) -> Object:
    texts = {name: params[name] for name in TEXTS if name in params}
    if texts.get("address"):
        blank = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
        texts["address"] = {**blank, **texts["address"]}
    return texts


def _present(account: Account, customer_id: str) -> Object:
    customer = account.customers.get(customer_id, "customer")
    if customer.get("deleted"):
        raise missing("customer", customer_id, "customer")
    return customer


def retrieve(account: Account, params: Object, customer_id: str) -> Object:
    customer = account.customers.get(customer_id, "customer")
    return _mark(customer_id) if customer.get("deleted") else customer


def _mark(customer_id: str) -> Object:
    return {"id": customer_id, "object": "customer", "deleted": True}


def update(account: Account, params: Object, customer_id: str) -> Object:
    customer = _present(account, customer_id)
    changed = _texts(params)
    changed["metadata"] = merged_metadata(customer["metadata"], params.get("metadata"))
    previous = {name: customer[name] for name, value in changed.items() if customer[name] != value}
    customer.update(changed)
    if previous:
        account.events.emit("customer.updated", customer, previous)
    return customer


def delete(account: Account, params: Object, customer_id: str) -> Object:
    """The customer stays as a mark that it was there, as at Stripe."""
    customer = _present(account, customer_id)
    account.events.emit("customer.deleted", customer)
    account.customers.rows[customer_id] = {**_mark(customer_id), "created": customer["created"]}
    return _mark(customer_id)


def list_customers(account: Account, params: Object) -> Object:
    created, email = params.get("created"), params.get("email")

    def wanted(row: Object) -> bool:
        return not row.get("deleted") and in_range(row["created"], created) and email in (None, row["email"])

    rows = account.customers.newest_first(
        after=params.get("starting_after"), before=params.get("ending_before"), created=created
    )
    return page(rows, params, wanted, "/v1/customers")
