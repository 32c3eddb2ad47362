"""Everything about the sandbox that a test or a rehearsal can turn, and the faults it can ask for."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, fields
from typing import Any


class KnobRefused(ValueError):
    """A knob or a fault that does not exist or has a value of the wrong kind. The message says what to do."""


@dataclass
class Knobs:
    """Settings of one run. A type list holds event types, with * as a wildcard: ["charge.*"]."""

    # Events on their way to the site
    webhook_url: str = ""
    webhook_secrets: list[str] = field(default_factory=list)  # several: a header with several signatures (rotation)
    enabled_events: list[str] = field(default_factory=lambda: ["*"])  # what the endpoint has asked for
    delay_ms: int = 0
    delay_types: list[str] = field(default_factory=lambda: ["*"])
    duplicates: int = 0  # further copies of each event
    duplicate_types: list[str] = field(default_factory=lambda: ["*"])
    drop_next: int = 0  # so many of the next matching events never arrive, though they are listed
    drop_fraction: float = 0.0
    drop_types: list[str] = field(default_factory=lambda: ["*"])
    unmade_types: list[str] = field(
        default_factory=list
    )  # no event is made at all: the rare case that Stripe documents
    paused: bool = False  # events are kept until resumed or released
    reorder_batch: int = 0  # hold so many events, then deliver them shuffled; 0: no reordering
    reorder_wait_ms: int = 500  # a batch that does not fill up is let go after this
    retry_base_ms: int = 1_000
    retry_factor: float = 2.0
    retry_max_ms: int = 60_000
    retry_limit: int = 12  # attempts in all
    webhook_timeout_ms: int = 10_000

    # The API
    latency_ms: int = 0
    requests_per_second: int = 0  # of the whole account; 0: no cap. Stripe live: 100
    requests_per_second_per_endpoint: int = 0  # Stripe live: 25
    hang_ms: int = 120_000  # how long a request that is never answered is kept open

    # What payments do
    bank_delay_ms: int = 5_000  # a debit stays in processing so long; -1: until settled by hand
    three_d_secure_delay_ms: int = 0  # the bank thinks about a passed challenge so long
    dispute_delay_ms: int = 0
    refund_delay_ms: int = 1_000  # until a pending refund succeeds, or a failing one fails
    balance_delay_ms: int = 250  # until the balance transaction of a charge is known (charge.updated)

    # The browser
    wallet: bool = True  # whether the browser has a wallet (the Test Pay button)

    def turn(self, **changes: Any) -> None:
        """Set knobs by name. All are checked before the first is set."""
        kinds = {one.name: type(getattr(self, one.name)) for one in fields(self)}
        checked = {}
        for name, value in changes.items():
            if name not in kinds:
                raise KnobRefused(f"There is no knob {name!r}. Knobs: {', '.join(kinds)}.")
            checked[name] = _as_kind(name, value, kinds[name])
        for name, value in checked.items():
            setattr(self, name, value)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def _as_kind(name: str, value: Any, kind: type[Any]) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not kind:
        raise KnobRefused(f"Knob {name!r} takes {kind.__name__}, not {value!r}.")
    if isinstance(value, list) and not all(isinstance(one, str) for one in value):
        raise KnobRefused(f"Knob {name!r} takes a list of texts.")
    return value


ANSWERS = ("429", "lock_timeout", "500", "502", "503", "hang", "reset")


@dataclass
class Fault:
    """A rule: answer matching API requests wrongly.

    method: "POST", or "*". path: a regular expression searched in the path ("/confirm$"). answer: one of ANSWERS.
    when: "before" (nothing is done) or "after" (the work is done, its answer is lost). skip: so many matching requests
    pass first. times: how many are hit; 0: until taken away. remember: whether the idempotency key replays this answer
    afterwards, as Stripe does with a 500 of its own; by default a retry meets the real answer.
    """

    answer: str
    method: str = "*"
    path: str = ""
    when: str = "before"
    times: int = 1
    skip: int = 0
    fraction: float = 1.0
    remember: bool = False
    hits: int = 0

    def __post_init__(self) -> None:
        self.answer = str(self.answer)
        if self.answer not in ANSWERS:
            raise KnobRefused(f"A fault answers one of {', '.join(ANSWERS)}; not {self.answer!r}.")
        if self.when not in ("before", "after"):
            raise KnobRefused(f"A fault comes 'before' or 'after' the work; not {self.when!r}.")
        try:
            re.compile(self.path)
        except re.error as error:
            raise KnobRefused(f"The fault's path {self.path!r} is no regular expression: {error}.") from error

    def matches(self, method: str, path: str) -> bool:
        return self.method in ("*", method) and re.search(self.path, path) is not None

    @property
    def spent(self) -> bool:
        return self.times > 0 and self.hits >= self.times

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> Fault:
        names = {one.name for one in fields(cls)} - {"hits"}
        unknown = set(given) - names
        if unknown or "answer" not in given:
            raise KnobRefused(f"A fault takes {', '.join(sorted(names))} (answer is required); got {sorted(given)}.")
        return cls(**given)
