"""Names of jobs, assets and keys: they sort by the time they were given and can't be guessed."""

from __future__ import annotations

import re
import secrets
import time

_FORM = re.compile(r"(?P<kind>job|asset|key|delivery|listing|training)_[0-9a-f]{11}[0-9a-f]{20}")


def new_id(kind: str) -> str:
    """Such as `job_019abc…`: milliseconds since 1970, then 80 random bits, in hex."""
    return f"{kind}_{int(time.time() * 1000):011x}{secrets.token_hex(10)}"


def is_id(text: str, kind: str) -> bool:
    """Whether a text has the form of an id of this kind."""
    found = _FORM.fullmatch(text)
    return found is not None and found["kind"] == kind
