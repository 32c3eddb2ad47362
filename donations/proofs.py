"""Proofs of work: a sum that costs a browser a second and a thief with ten thousand cards hours.

ALTCHA's scheme: find the number whose SHA-256 with our salt is the challenge. The salt carries when it expires and
which gift it is for; the challenge is a hash of it and signed, so neither can be changed (CVE-2025-68113, mended in
altcha 1.0 by a delimiter at the end of the salt). What was solved is kept, so that no proof is taken twice.
"""

import base64
import binascii
import json
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from altcha.v1 import ChallengeOptions, create_challenge, extract_params, verify_solution
from django.conf import settings
from django.utils.crypto import salted_hmac

from donations.models import UsedProof

LASTS = timedelta(minutes=10)
_LONGEST_PAYLOAD = 2_000
_ALGORITHM: Literal["SHA-256"] = "SHA-256"


class BadProof(Exception):
    """The proof is wrong, too old, for another gift, or was used before: the browser gets another to solve."""


def new_challenge(*, subject: str, now: datetime) -> dict[str, Any]:
    """What proof.js is given. subject: the gift that the proof will be good for, and no other."""
    challenge = create_challenge(
        ChallengeOptions(
            algorithm=_ALGORITHM,
            max_number=settings.CHECK_WORK,
            hmac_key=_key(),
            expires=now + LASTS,
            params={"for": subject},
        )
    )
    names = ("algorithm", "challenge", "salt", "signature")
    return {name: getattr(challenge, name) for name in names} | {"maxnumber": settings.CHECK_WORK}


def accept(payload: str, *, subject: str) -> None:
    """Take a proof, once. payload: base64 of JSON, as proof.js makes it. Raises BadProof. One write."""
    solution = _solution(payload)
    is_right, problem = verify_solution(solution, _key(), check_expires=True)
    params = extract_params(solution)
    if not is_right or solution["algorithm"] != _ALGORITHM or params.get("for") != [subject]:
        raise BadProof(problem or "the sum is wrong, or for another gift")
    expires_at = datetime.fromtimestamp(int(params["expires"][0]), tz=UTC)
    _, is_new = UsedProof.objects.get_or_create(challenge=solution["challenge"], defaults={"expires_at": expires_at})
    if not is_new:
        raise BadProof("it was used before")


def forget_expired(*, now: datetime) -> int:
    """Used proofs that nobody could send again, since they are too old by themselves."""
    gone, _ = UsedProof.objects.filter(expires_at__lt=now - LASTS).delete()
    return gone


def _solution(payload: str) -> Any:
    try:
        found = json.loads(base64.b64decode(payload[:_LONGEST_PAYLOAD], validate=True))
    except (ValueError, binascii.Error) as error:
        raise BadProof("unreadable") from error
    texts = ("algorithm", "challenge", "salt", "signature")
    if not isinstance(found, dict) or not all(isinstance(found.get(name), str) for name in texts):
        raise BadProof("incomplete")
    if type(found.get("number")) is not int or "expires" not in found["salt"]:
        raise BadProof("incomplete")
    return found


def _key() -> bytes:
    return salted_hmac("donations.proofs", "challenge", algorithm="sha256").digest()
