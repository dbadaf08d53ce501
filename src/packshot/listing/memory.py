"""What a process remembers of the last photos, so that the pictures of one product share what they have in common."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Value = TypeVar("Value")


class Recent(Generic[Value]):
    """The values that were asked for last, as many as their weights allow; the very last one always.

    Args:
        most: that the weights of all may add up to.
        weight: of a value.
    """

    def __init__(self, most: int, weight: Callable[[Value], int]) -> None:
        self.most, self.weight = most, weight
        self._kept: OrderedDict[Hashable, Value] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of a key, made where it is not remembered; what `make` raises is raised, and not remembered."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        value = make()
        with self._lock:
            self._kept[key] = value
            self._kept.move_to_end(key)
            while len(self._kept) > 1 and sum(map(self.weight, self._kept.values())) > self.most:
                self._kept.popitem(last=False)
        return value

    def swap(self, key: Hashable, value: Value) -> Value | None:
        """Remember a value for a key; the one that was remembered before, None where none was."""
        with self._lock:
            earlier = self._kept.pop(key, None)
        self.get(key, lambda: value)
        return earlier


def digest(*arrays: NDArray[Any] | None) -> str:
    """One of the contents and shapes of arrays."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(b"none" if array is None else repr((array.shape, str(array.dtype))).encode())
        if array is not None:
            found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()
