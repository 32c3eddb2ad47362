"""Stripe's errors: each with Stripe's own type, code, status and wording."""

from __future__ import annotations

from typing import Any

DOCS = "https://stripe.com/docs/error-codes/"


class StripeError(Exception):
    """An answer other than 200. `fields` become the `error` object of the body.

    status: the HTTP status. headers: extra answer headers. remembered: whether an idempotency key keeps this answer, as
    Stripe does once an endpoint has begun its work; refusals before that are not kept.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        remembered: bool = False,
        headers: dict[str, str] | None = None,
        **fields: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.remembered = remembered
        self.headers = headers or {}
        body: dict[str, Any] = {"message": message, "type": kind}
        if code:
            body["code"] = code
            body["doc_url"] = DOCS + code.replace("_", "-")
        if param:
            body["param"] = param
        body.update({name: value for name, value in fields.items() if value is not None})
        self.fields = body

    def body(self) -> dict[str, Any]:
        return {"error": self.fields}


def missing(resource: str, object_id: str, param: str) -> StripeError:
    return StripeError(f"No such {resource}: '{object_id}'", status=404, code="resource_missing", param=param)


def missing_reference(resource: str, object_id: str, param: str) -> StripeError:
    """A parameter names an object that is not there: 400, where a path naming one is 404."""
    return StripeError(f"No such {resource}: '{object_id}'", code="resource_missing", param=param)


def missing_param(name: str) -> StripeError:
    return StripeError(f"Missing required param: {name}.", code="parameter_missing", param=name)


def unexpected_state(message: str, intent: dict[str, Any]) -> StripeError:
    return StripeError(message, code="payment_intent_unexpected_state", remembered=True, payment_intent=intent)


def no_key() -> StripeError:
    return StripeError(
        "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer "
        "auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for "
        "details, or we can help at https://support.stripe.com/.",
        status=401,
        headers={"WWW-Authenticate": 'Bearer realm="Stripe"'},
    )


def wrong_key(key: str) -> StripeError:
    shown = f"{key[:8]}{'*' * max(len(key) - 12, 4)}{key[-4:]}" if len(key) > 12 else "*" * len(key)
    return StripeError(f"Invalid API Key provided: {shown}", status=401)


def publishable_key_refused() -> StripeError:
    return StripeError(
        "This API call cannot be made with a publishable API key. Please use a secret API key. You can find a list of "
        "your API keys at https://dashboard.stripe.com/account/apikeys.",
        status=403,
        code="secret_key_required",
    )


def wrong_client_secret() -> StripeError:
    return StripeError(
        "The client_secret provided does not match any associated PaymentIntent on this account. Ensure the "
        "client_secret and publishable key come from the same account.",
        code="payment_intent_invalid_parameter",
        param="client_secret",
    )


def unknown_url(method: str, path: str) -> StripeError:
    return StripeError(
        f"Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs or we can help at "
        "https://support.stripe.com/. (The sandbox has only the calls that this site uses.)",
        status=404,
    )


def rate_limited(reason: str) -> StripeError:
    return StripeError(
        "Request rate limit exceeded. You can learn more about rate limits here https://stripe.com/docs/rate-limits.",
        status=429,
        code="rate_limit",
        headers={"Stripe-Rate-Limited-Reason": reason},
    )


def lock_timeout() -> StripeError:
    """Another request holds the object. Stripe asks for a retry in the header."""
    return StripeError(
        "This object cannot be accessed right now because another API request or Stripe process is currently accessing "
        "it. If you see this error intermittently, retry the request. If you see this error frequently and are making "
        "multiple concurrent requests to a single object, make your requests serially or at a lower rate. For more "
        "details, see https://stripe.com/docs/rate-limits#object-lock-timeouts.",
        status=429,
        code="lock_timeout",
        headers={"Stripe-Should-Retry": "true"},
    )


def server_error(status: int) -> StripeError:
    return StripeError(
        "Sorry, something went wrong on Stripe's end. (A fault asked for in the sandbox.)",
        status=status,
        kind="api_error",
    )


def key_reused(key: str) -> StripeError:
    return StripeError(
        "Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a "
        f"key other than '{key}' if you meant to execute a different request.",
        kind="idempotency_error",
    )


def key_in_use(key: str) -> StripeError:
    return StripeError(
        "There is currently another in-progress request using this Idempotent Key (that probably means you submitted "
        f"twice, and the other request is still going through): {key}. Please try again later.",
        status=409,
        code="idempotency_key_in_use",
    )
