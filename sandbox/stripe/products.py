"""Products and prices: what a subscription bills, and how much."""

from __future__ import annotations

from .account import Account, Object
from .errors import StripeError, missing_param, missing_reference
from .parameters import merged_metadata

INTERVALS = ("day", "week", "month", "year")


def create(account: Account, params: Object) -> Object:
    """A product; with an `id` of the caller's choice, which must be new."""
    product_id = params.get("id") or account.make_id("prod")
    if product_id in account.products.rows:
        raise StripeError("Product already exists.", code="resource_already_exists", param="id", remembered=True)
    product: Object = {
        "id": product_id,
        "object": "product",
        "active": True,
        "created": account.now(),
        "default_price": None,
        "description": params.get("description"),
        "images": [],
        "livemode": False,
        "marketing_features": [],
        "metadata": merged_metadata({}, params.get("metadata")),
        "name": params["name"],
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": None,
        "tax_code": None,
        "unit_label": None,
        "updated": account.now(),
        "url": None,
    }
    account.products.add(product)
    account.events.emit("product.created", product)
    return product


def retrieve(account: Account, params: Object, product_id: str) -> Object:
    return account.products.get(product_id)


def create_price(account: Account, params: Object) -> Object:
    if "product" not in params:
        raise missing_param("product")
    return make_price(account, params)


def retrieve_price(account: Account, params: Object, price_id: str) -> Object:
    return account.prices.get(price_id)


def make_price(account: Account, params: Object) -> Object:
    """A price of a product that is there; also what `price_data` of a subscription makes."""
    if params["product"] not in account.products.rows:
        raise missing_reference("product", params["product"], "product")
    if "unit_amount" not in params:
        raise missing_param("unit_amount")
    recurring = params.get("recurring")
    price: Object = {
        "id": account.make_id("price"),
        "object": "price",
        "active": True,
        "billing_scheme": "per_unit",
        "created": account.now(),
        "currency": params["currency"].lower(),
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": None,
        "metadata": merged_metadata({}, params.get("metadata")),
        "nickname": None,
        "product": params["product"],
        "recurring": {
            "interval": recurring["interval"],
            "interval_count": recurring.get("interval_count", 1),
            "meter": None,
            "usage_type": "licensed",
        }
        if recurring
        else None,
        "tax_behavior": "unspecified",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring" if recurring else "one_time",
        "unit_amount": params["unit_amount"],
        "unit_amount_decimal": str(params["unit_amount"]),
    }
    account.prices.add(price)
    account.events.emit("price.created", price)
    return price
