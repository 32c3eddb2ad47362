"""The key that signs the ledger's heads: Ed25519 (RFC 8032), 32 bytes in hexadecimal in LEDGER_SIGNING_KEY."""

import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings

_KEY_BYTES = 32


class InvalidSigningKey(ValueError):
    """LEDGER_SIGNING_KEY is not a key; the message says what one looks like and never the value."""


def signing_key() -> Ed25519PrivateKey | None:
    """The key of this installation, None when it has none. Raises InvalidSigningKey."""
    return read_key(settings.LEDGER_SIGNING_KEY) if settings.LEDGER_SIGNING_KEY.strip() else None


def read_key(text: str) -> Ed25519PrivateKey:
    """A private key from its 64 hexadecimal digits. Raises InvalidSigningKey."""
    try:
        seed = bytes.fromhex(text.strip())
    except ValueError:
        seed = b""
    if len(seed) != _KEY_BYTES:
        raise InvalidSigningKey(
            "LEDGER_SIGNING_KEY is not a key: it must be 64 hexadecimal digits, as `manage.py make_ledger_key` prints."
        )
    return Ed25519PrivateKey.from_private_bytes(seed)


def new_key() -> str:
    """A new private key as LEDGER_SIGNING_KEY takes it."""
    return Ed25519PrivateKey.generate().private_bytes_raw().hex()


def public_key_of(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes_raw().hex()


def key_id_of(public_key: str) -> str:
    """A public key's short name, as receipts print it: the first 8 digits of the SHA-256 of its 32 bytes."""
    return hashlib.sha256(bytes.fromhex(public_key)).hexdigest()[:8]
