"""How often an address may show a key that is none.

In memory, of each server process by itself: guesses that make the database write would be worse than the guessing.
"""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict

PER_MINUTE = 20
_MOST = 10_000


class Failures:
    """A bucket of tries for each address; an IPv6 network of 64 bits counts as one, as one customer has it."""

    def __init__(self, per_minute: int = PER_MINUTE, most: int = _MOST) -> None:
        self.per_minute, self._most = per_minute, most
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def count(self, address: str) -> float:
        """Count a failure; seconds to wait where there were too many, else 0."""
        now, name = time.monotonic(), _network(address)
        tokens, at = self._buckets.pop(name, (float(self.per_minute), now))
        tokens = min(float(self.per_minute), tokens + (now - at) * self.per_minute / 60)
        refused = tokens < 1
        self._buckets[name] = (tokens if refused else tokens - 1, now)
        while len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return (1 - tokens) * 60 / self.per_minute if refused else 0.0


def _network(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
