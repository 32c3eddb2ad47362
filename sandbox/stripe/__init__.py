"""An offline stand-in for Stripe: its API, its browser script and its webhooks, in one process, in memory.

For the demo, the tests and the rehearsal. No app imports this package, and it imports no app.

The parts, from the inside out:

- `account`: one Stripe account: tables, knobs, clock, identifiers. Everything else is given it.
- `cards`: which test number does what.
- `payments` (and their `confirmation`), `charges`, `refunds`, `disputes`, `customers`, `methods`, `balance`, `payouts`,
  `products` (and prices), `subscriptions`, `invoices`:
  one module per resource; each function takes checked parameters and answers the object as Stripe's API version
  2026-08-26.dahlia shapes it.
- `events`: what happened, as events; `delivery` posts them to the site, signed and retried.
- `operations`: which call goes to which function, and which parameters it takes; `parameters` reads and checks them.
- `server`: HTTP: the API (`api`: keys, idempotency, faults, rate limits, recording) and the browser's pages (`pages`).
- `keeping`: the state on disk between runs of the demo.
- `control_api` answers /_sandbox/; `control.SandboxControl` is its client for tests.
- `contract` holds recorded traffic against Stripe's published OpenAPI description.

Money is integers in minor units, moments are Unix seconds, as in Stripe's API.
"""
