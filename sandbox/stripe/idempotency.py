"""Idempotency keys, as at Stripe: the same key and parameters get the first answer again, others are refused."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import StripeError, key_in_use, key_reused

KEYS_LIMIT = 50_000
KEY_CHARACTERS = 255


@dataclass(frozen=True)
class Answer:
    """An answer as it goes out."""

    status: int
    text: str
    headers: tuple[tuple[str, str], ...] = ()


@dataclass
class Entry:
    fingerprint: tuple[str, str, str]
    request_id: str
    answer: Answer | None = None  # None while the first request is under way


class Keys:
    """The keys of one account. Bounded: the oldest is forgotten, as Stripe forgets after a day."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}

    def begin(self, key: str, fingerprint: tuple[str, str, str], request_id: str) -> Entry | None:
        """The entry to replay, or None: the caller holds the key and must `keep` or `give_up`.

        Raises StripeError when the key is held by a request under way, or came with other parameters.
        """
        if len(key) > KEY_CHARACTERS:
            raise StripeError("Idempotency keys can be at most 255 characters.", kind="idempotency_error")
        entry = self.entries.get(key)
        if entry is None:
            self.entries[key] = Entry(fingerprint, request_id)
            if len(self.entries) > KEYS_LIMIT:
                del self.entries[next(iter(self.entries))]
            return None
        if entry.fingerprint != fingerprint:
            raise key_reused(key)
        if entry.answer is None:
            raise key_in_use(key)
        return entry

    def keep(self, key: str, answer: Answer) -> None:
        entry = self.entries.get(key)
        if entry:
            entry.answer = answer

    def give_up(self, key: str) -> None:
        """The request was refused before its work began: the key is free again."""
        entry = self.entries.get(key)
        if entry and entry.answer is None:
            del self.entries[key]

    def forget(self) -> None:
        self.entries.clear()
