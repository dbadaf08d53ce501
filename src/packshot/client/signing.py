"""Whether a webhook's message is the server's, and new."""

from __future__ import annotations

import hashlib
import hmac
import time

_LONGEST_STAMP = 15
"""Digits; of longer ones Python makes no difference in seconds."""


def check_signature(secret: str, header: str, body: bytes, *, tolerance_seconds: float = 300.0) -> bool:
    """Check the header `Packshot-Signature` of a message.

    Args:
        secret: of the hook.
        header: `t=SECONDS,v1=HEX`.
        body: as it came, byte for byte.
        tolerance_seconds: how old a message may be, against those that somebody recorded and sends again.
    """
    parts = dict(part.partition("=")[::2] for part in header.split(","))
    stamp, digest = parts.get("t", ""), parts.get("v1", "")
    if not (stamp.isdecimal() and len(stamp) <= _LONGEST_STAMP) or abs(time.time() - int(stamp)) > tolerance_seconds:
        return False
    expected = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), digest.encode(errors="replace"))
