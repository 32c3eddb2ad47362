"""What makes the address of a gift's own page a secret."""

import secrets


def new_token() -> str:
    return secrets.token_urlsafe(32)
